/** Decides what an error means while no record of a transaction is sent yet, so that everything could be repeated. */
import { kafkaErrorType } from '../../connect/kafka.ts';

/**
 * - `busy`: the coordinator is still ending the previous transaction; retry the same request soon.
 * - `moved`: a connection was lost, or a leader or coordinator has changed or is missing; look everything up again.
 * - `final`: retrying does not help.
 */
export type Obstacle = 'busy' | 'moved' | 'final';

/** Error codes by kafkajs's names. */
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

/** kafkajs's errors for lost connections and stale metadata. */
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

/** Transaction markers are written within a few ms; on a loaded cluster, or for a predecessor's transaction, later. */
const busyPausesMs = [1, 1, 1, 1, 2, 2, 5, 5, 10];
const busyPauseMaxMs = 20;
const movedPauseMs = 100;

export function retryPauseMs(obstacle: Obstacle, attempt: number): number {
  return obstacle === 'busy' ? (busyPausesMs[attempt] ?? busyPauseMaxMs) : movedPauseMs;
}
