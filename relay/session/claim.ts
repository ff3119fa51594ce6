/** Writes the claim and reads the truth: the last progress before it, once every predecessor is fenced. */
import { asRelayError } from '../errors.ts';
import type { ProgressTail } from '../publish/progress-topic.ts';
import type { Publisher } from '../publish/publisher.ts';
import type { Claimed } from './lineage.ts';

/**
 * @throws RelayError KAFKA_*, PRODUCER_FENCED, TRANSACTION_EXPIRED, PUBLISH_UNCERTAIN; a progress that cannot be read is a
 * result
 */
export async function claimProgress(publisher: Publisher, tail: ProgressTail): Promise<Claimed> {
  try {
    const progress = await publisher.claim(tail);
    return progress === null ? { kind: 'none' } : { kind: 'progress', progress };
  } catch (error) {
    const failure = asRelayError(error);
    if (failure.code !== 'PROGRESS_UNREADABLE') throw failure;
    return { kind: 'unreadable', failure };
  }
}
