/** Why a part of the outbox table stays: a closed list, for the command, the log and a label of a metric. */

/** What each means, and what ends it. */
export const keepReasons = {
  off: 'cleanup.retention is not set, so nothing is removed',
  retention: 'it holds rows younger than cleanup.retention',
  'no-slot': 'no relay has published from this database yet',
  'other-database':
    'a slot in outbox.progress has published from another database, or from a restored copy: nobody knows what it has published of this one',
  'kafka-behind': 'Kafka has lost what the slot had published: this table may be all that is left of it',
  uncovered: 'it holds rows that a slot has not published yet',
  unproven:
    'it holds rows that nobody can know to be published: from before the first start or an adopt, or from before the partition was attached. `cleanup.unproven: remove` removes them',
  unverified:
    'it holds rows that the standing audit has not compared yet, or the audit misses an event: `outbox-relay audit --once` compares them, and says what is missing',
  'before-audit':
    'it holds rows that the standing audit leaves out: committed before it began, or from a partition that was attached later. `outbox-relay audit --once --start first` compares them too',
  'dead-letter': 'it holds rows of dead letters that are open or parked, or whose release is not final',
  'open-transaction': 'an open transaction has written to it',
  busy: 'the table was never free for a moment: a transaction that uses it is open for long. The relay tries again',
  changed: 'rows were written after it was archived. The relay tries again',
  unguarded:
    'no trigger keeps its rows from being updated, and an update hides when a row was written: create the trigger refuse_update',
  'no-time': 'outbox.columns.createdAt is not set, so nobody knows how old a row is',
  archive: 'cleanup.archive is set, and only whole partitions are archived',
  shape: 'it is no ordinary partition for a range of days that ends',
  'other-owner': 'it belongs to another role than outbox.event',
  dependents: 'another object in the database depends on it',
} as const;

export type KeepReason = keyof typeof keepReasons;
