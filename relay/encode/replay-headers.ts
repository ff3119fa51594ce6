/** Names of the headers that only a replay writes. They say that a record did not come from the stream, and by whom. */

/** Of an event that was published before. */
export const replayIdHeader = 'replay-id';
/**
 * Of an event that was committed before the slot was first created, and is published for the first time. It has another
 * name, because a consumer may skip what was replayed.
 */
export const backfillIdHeader = 'backfill-id';
/** ISO 8601: when the replay sent the record. */
export const replayedAtHeader = 'replayed-at';
