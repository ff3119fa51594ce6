/** Whose a record is, where it is not the stream's. Pure. */
import type { FoundRecord } from '../../../../relay/operations/find-event/found.ts';

/** Goes behind the place of a record. One of another producer says nothing about the event, and may have any header. */
export function writtenBy({ isOfRelay, replayId }: Pick<FoundRecord, 'isOfRelay' | 'replayId'>): string {
  if (!isOfRelay) return ', by another producer';
  return replayId === null ? '' : `, by replay ${replayId}`;
}
