/** Decides what an error means while no record of a transaction is sent yet, so that everything could be repeated. */
import { kafkaErrorType } from '../../connect/kafka.ts';

/**
 * - `busy`: the coordinator still ends the transaction before; the same question again soon.
 * - `moved`: a connection was lost, or a leader or coordinator is another or none; look everything up again.
 * - `final`: waiting does not help.
 */
export type Obstacle = 'busy' | 'moved' | 'final';

/** By the names kafkajs gives the codes. */
const movedTypes: ReadonlySet<string> = new Set([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_FOR_PARTITION',
  'REQUEST_TIMED_OUT',
  'NETWORK_EXCEPTION',
  'GROUP_LOAD_IN_PROGRESS',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR_FOR_GROUP',
]);

/** kafkajs's errors of connections and of metadata that went stale. */
const movedNames: ReadonlySet<string> = new Set([
  'KafkaJSConnectionError',
  'KafkaJSConnectionClosedError',
  'KafkaJSRequestTimeoutError',
  'KafkaJSBrokerNotFound',
  'KafkaJSLockTimeout',
  'KafkaJSMetadataNotLoaded',
  'KafkaJSTopicMetadataNotLoaded',
]);

export function obstacleOf(error: unknown): Obstacle {
  const type = kafkaErrorType(error);
  if (type === 'CONCURRENT_TRANSACTIONS') return 'busy';
  if (type !== undefined) return movedTypes.has(type) ? 'moved' : 'final';
  for (
    let current = error, depth = 0;
    current instanceof Error && depth < 8;
    current = current.cause, depth++
  )
    if (movedNames.has(current.name)) return 'moved';
  return 'final';
}

/**
 * The markers of a transaction are written within a few ms; on a loaded cluster, or for a predecessor's, it takes
 * longer.
 */
const busyPausesMs = [1, 1, 1, 1, 2, 2, 5, 5, 10];
const busyPauseMaxMs = 20;
const movedPauseMs = 100;

export function retryPauseMs(obstacle: Obstacle, attempt: number): number {
  return obstacle === 'busy' ? (busyPausesMs[attempt] ?? busyPauseMaxMs) : movedPauseMs;
}
