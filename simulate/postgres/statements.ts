/** What each statement of the relay does to the model. One that is not known here stops the run: add it. */
import { formatLsn, parseLsn } from '../../relay/model/position.ts';
import type { Database, Transaction } from './database.ts';

type Row = Record<string, unknown>;

export type Statement = {
  /** Locks it takes before it does anything, held until the end of the transaction. */
  readonly lock?: readonly ['progress' | 'heartbeat', 'share' | 'exclusive'];
  readonly run: (database: Database, values: readonly unknown[], transaction: Transaction) => Row[];
};

const none: Row[] = [];

/** By a piece of the text that no other has. The first that fits counts. */
const known: readonly (readonly [RegExp, Statement])[] = [
  [/pg_is_in_recovery\(\) as recovery/, { run: readMarks }],
  [/from pg_replication_slots .*active_pid = \$2/, { run: isHolder }],
  [/from pg_replication_slots/, { run: readSlot }],
  [/as identity/, { run: readPublication }],
  [/"silentPartitions"/, { run: readOutboxTable }],
  [/from pg_publication_namespace/, { run: () => none }],
  [/insert into outbox\.progress/, { lock: ['progress', 'exclusive'], run: storeProgress }],
  [/update outbox\.progress set session/, { lock: ['progress', 'exclusive'], run: nextSession }],
  [/from outbox\.progress where slot = \$1 and session/, { lock: ['progress', 'share'], run: ownSession }],
  // Where the copy was before: no database of the model moves.
  [/adoption from outbox\.progress where slot/, { lock: ['progress', 'exclusive'], run: () => none }],
  [
    /from outbox\.progress where slot = \$1 for no key update/,
    { lock: ['progress', 'exclusive'], run: lockProgress },
  ],
  // Snapshots tell `recover` what was published; the relay itself goes by none of them.
  [/update outbox\.progress\s+set (snapshots_of|covered_snapshot)/, { run: () => none }],
  [/^select pg_current_snapshot/, { run: () => [{ snapshot: '1:1:' }] }],
  [/insert into outbox\.heartbeat/, { lock: ['heartbeat', 'exclusive'], run: beat }],
  [/^select pg_current_wal_insert_lsn/, { run: ({ walLsn }) => [{ lsn: formatLsn(walLsn) }] }],
  [/insert into outbox\.dead_letter/, { run: storeDeadLetters }],
  [/update outbox\.dead_letter set status = 'resubmitted'/, { run: reread }],
  [/count\(\*\).* as open/, { run: countOpen }],
  // Nothing is parked and nothing released under the policy that is simulated; old dead letters are not purged either.
  [/outbox\.(parked_key|key_release)|status = 'released'/, { run: () => none }],
  [/delete from outbox\.dead_letter/, { run: () => none }],
  [/synchronous_standby_names/, { run: () => [{ names: '', own: 'outbox-relay' }] }],
  [/version/, { run: () => [{ version: 180_000 }] }],
];

export function statementOf(text: string): Statement {
  const found = known.find(([pattern]) => pattern.test(text));
  if (found === undefined) throw new Error(`the model does not know this statement: ${text}`);
  return found[1];
}

function readMarks({ walLsn, progress, beat }: Database): Row[] {
  return [
    {
      recovery: false,
      wal: formatLsn(walLsn),
      initialised: progress !== undefined,
      beat: String(beat),
      publication: progress?.publication ?? null,
      session: progress === undefined ? null : String(progress.session),
    },
  ];
}

function readSlot({ slot, walLsn }: Database): Row[] {
  if (slot === undefined) return none;
  return [
    {
      plugin: 'pgoutput',
      slot_type: 'logical',
      is_ours: true,
      active: slot.reader !== undefined,
      active_pid: slot.reader?.pid ?? null,
      confirmed_flush_lsn: formatLsn(slot.confirmedLsn),
      retained_bytes: String(walLsn - slot.confirmedLsn),
      wal_status: 'reserved',
      safe_wal_size: null,
      invalidation_reason: null,
    },
  ];
}

function isHolder({ slot }: Database, [, pid, isLast]: readonly unknown[]): Row[] {
  const isFree = slot !== undefined && slot.reader === undefined;
  return slot?.reader?.pid === pid || (isFree && isLast === true) ? [{}] : none;
}

function readPublication(): Row[] {
  const tables = ['outbox.event', 'outbox.heartbeat'];
  return [{ outbox: 'outbox.event', pubinsert: true, tables, identity: '1:1', has_schemas: false }];
}

function readOutboxTable(): Row[] {
  const text = { type: 'text', category: 'S', isGenerated: false, isPublished: true };
  const time = { ...text, type: 'timestamptz', category: 'D' };
  const names = ['id', 'aggregatetype', 'aggregateid', 'type', 'payload', 'headers'];
  const columns = [...names.map((name) => ({ name, ...text })), { name: 'created_at', ...time }];
  return [
    {
      encoding: 'UTF8',
      kind: 'p',
      persistence: 'p',
      children: [],
      silentPartitions: [],
      isGuarded: true,
      columns,
    },
  ];
}

function storeProgress(database: Database, values: readonly unknown[], { undo }: Transaction): Row[] {
  const before = database.progress;
  const publication = (values[9] as string | null | undefined) ?? before?.publication ?? null;
  database.progress = { publication, session: before?.session ?? 0 };
  undo.push(() => {
    database.progress = before;
  });
  return none;
}

function nextSession(database: Database, _values: readonly unknown[], { undo }: Transaction): Row[] {
  const before = database.progress;
  if (before === undefined) return none;
  database.progress = { ...before, session: before.session + 1 };
  undo.push(() => {
    database.progress = before;
  });
  return [{ session: String(before.session + 1) }];
}

function ownSession({ progress }: Database, [, session]: readonly unknown[]): Row[] {
  return progress?.session === session ? [{}] : none;
}

function lockProgress({ progress }: Database): Row[] {
  return progress === undefined ? none : [{ session: String(progress.session) }];
}

function beat(database: Database, [slot, floor]: readonly unknown[], { undo, atCommit }: Transaction): Row[] {
  const before = database.beat;
  const number = Math.max(before, floor as number) + 1;
  database.beat = number;
  undo.push(() => {
    database.beat = before;
  });
  atCommit.push(() => database.commit([], { slot: slot as string, number }));
  return [{ beat: String(number), snapshot: '1:1:', takenMs: 0 }];
}

/** By position. On conflict only what the relay itself closed, to read it again, is opened again. */
function storeDeadLetters(database: Database, values: readonly unknown[], transaction: Transaction): Row[] {
  const [, lsns, ordinals, ids] = values as [string, string[], number[], string[]];
  const codes = values[11] as string[];
  const { deadLetters } = database;
  lsns.forEach((lsn, index) => {
    const ordinal = ordinals[index]!;
    const key = database.key(lsn, ordinal);
    const before = deadLetters.get(key);
    if (before !== undefined && !(before.status === 'resubmitted' && before.isReread)) return;
    const code = codes[index]!;
    const status = code === 'KEY_PARKED' ? 'parked' : 'open';
    const letter = { id: ids[index]!, commitLsn: parseLsn(lsn), ordinal, status, code, isReread: false };
    database.setLetter(key, letter, transaction);
  });
  return none;
}

function reread(database: Database, values: readonly unknown[], transaction: Transaction): Row[] {
  const [, endLsn, partialLsn, ordinal] = values as [string, string, string | null, number | null];
  const from = parseLsn(endLsn);
  const partial = partialLsn === null ? 0n : parseLsn(partialLsn);
  const rows: Row[] = [];
  for (const [key, letter] of database.deadLetters) {
    const { commitLsn, status } = letter;
    if ((status !== 'open' && status !== 'parked') || commitLsn < from || commitLsn >= database.walLsn)
      continue;
    if (commitLsn < partial || (commitLsn === partial && letter.ordinal < (ordinal ?? 0))) continue;
    database.setLetter(key, { ...letter, status: 'resubmitted', isReread: true }, transaction);
    rows.push({});
  }
  return rows;
}

function countOpen({ deadLetters }: Database): Row[] {
  const open = [...deadLetters.values()].filter(({ status }) => status === 'open').length;
  return [{ open: String(open), oldest: 0, parked: '0', keys: '0' }];
}
