/** Reports when a Kafka quota throttles the relay: a throttled relay is slow, not broken. */
import type { RelayObserver } from '../observe/observer.ts';
import { onThrottle } from './wire/kafkajs-internals.ts';

/** Watches the connections of a client id. @returns a function that stops watching */
export function watchThrottling(clientId: string, observer: RelayObserver): () => void {
  return onThrottle(({ broker, throttleMs, ...throttle }) => {
    if (throttle.clientId === clientId) observer.throttled?.({ throttleMs, broker, clientId });
  });
}
