/** Owns that a quota of Kafka is seen: in the log, in a metric and in `/readyz`. A throttled relay is slow, not broken. */
import type { Logger } from 'pino';
import type { Health } from '../observe/health.ts';
import type { Metrics } from '../observe/metrics.ts';
import { onThrottle } from './wire/kafkajs-wire.ts';

/** Each answer may say it: once in a while is enough for the log. */
const logEveryMs = 10_000;

type Watch = {
  readonly clientId: string;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'countThrottle'>;
  readonly health: Pick<Health, 'throttled'>;
};

/** Watches the connections of a client id. @returns what ends that */
export function watchThrottling({ clientId, log, metrics, health }: Watch): () => void {
  let loggedMs = Number.NEGATIVE_INFINITY;
  return onThrottle((throttle) => {
    if (throttle.clientId !== clientId) return;
    const { broker, throttleMs } = throttle;
    metrics.countThrottle(throttleMs / 1000);
    health.throttled(throttleMs);
    if (performance.now() - loggedMs < logEveryMs) return;
    loggedMs = performance.now();
    log.warn(
      { throttleMs, broker, clientId },
      `Kafka throttles this client for ${throttleMs} ms: a quota of client id ${clientId} or of its user`,
    );
  });
}
