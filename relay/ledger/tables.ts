/**
 * The tables in which the ledger keeps what was decided about events. A read of them concludes something only if none of
 * their rows is hidden (`assertRowsShown`).
 */
export const ledgerTables = [
  'outbox.dead_letter',
  'outbox.parked_key',
  'outbox.key_release',
  'outbox.progress',
] as const;

/** The tables that say what is paused or limited, and which relays there are. */
export const controlTables = ['outbox.control', 'outbox.pause', 'outbox.relay'] as const;
