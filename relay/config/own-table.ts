/** The outbox table that the migrations make. They own its partitions too, which an outbox table of a user may not have. */
export const ownTable = 'outbox.event';
