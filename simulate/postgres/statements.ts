/** What each statement of the relay does to the model. A statement that is not known here stops the run: add it. */
import { formatLsn, parseLsn } from '../../relay/model/position.ts';
import type { Database, ProgressRow, Transaction } from './database.ts';
import { parkingStatements } from './parking.ts';
import type { Row, Statement } from './statement.ts';

const none: Row[] = [];

/** In the model there is one server, and what it forgets in a crash, it forgets without a new start. */
export const serverStart = 'the one';

const writesProgress = { lock: ['progress', 'exclusive'] } as const;

/** By the name under which the relay declares the statement. */
export const known: Readonly<Record<string, Statement>> = {
  'connect.read_server_start': { run: () => [{ started: serverStart }] },
  'capture.read_slot': { run: readSlot },
  'capture.read_publication': { run: readPublication },
  'capture.read_published_schemas': { run: () => none },
  'capture.examine_outbox_table': { run: readOutboxTable },
  'ledger.read_marks': { run: readMarks },
  'ledger.read_holder': { run: isHolder },
  'ledger.store_progress_copy': { ...writesProgress, run: storeProgress },
  'ledger.begin_session': { ...writesProgress, run: nextSession },
  'ledger.lock_own_session': { lock: ['progress', 'share'], run: ownSession },
  // The database of the copy before: in the model it never changes.
  'ledger.read_progress_copy': { ...writesProgress, run: () => none },
  'ledger.store_adoption': { ...writesProgress, run: () => none },
  'ledger.lock_progress_for_heartbeat': { ...writesProgress, run: lockProgress },
  'ledger.write_heartbeat': { lock: ['heartbeat', 'exclusive'], run: beat },
  'ledger.read_insert_lsn': { run: ({ walLsn }) => [{ lsn: formatLsn(walLsn) }] },
  // Snapshots tell `recover` what was published; the relay itself decides nothing by them.
  'ledger.take_snapshot': { run: () => [{ snapshot: '1:1:' }] },
  'ledger.begin_snapshots': { run: () => none },
  'ledger.store_covered': { run: () => none },
  'ledger.store_dead_letters': { run: storeDeadLetters },
  'ledger.reread_dead_letters': { run: reread },
  'ledger.count_waiting': { run: countOpen },
  'ledger.read_standby_names': { run: () => [{ names: '', own: 'outbox-relay' }] },
  ...parkingStatements,
  // Old dead letters are not purged.
  'ledger.store_wal_sample': { run: () => none },
  'ledger.read_wal_samples': { run: ({ walLsn }) => [{ ageMs: 0, lsn: formatLsn(walLsn) }] },
  'ledger.may_list_wal': { run: () => [{ may: false }] },
  'ledger.purge': { run: () => none },
  'ledger.read_control': { run: readControl },
  // Nothing is removed from the outbox table.
  'ledger.read_pieces': { run: () => none },
  'ledger.read_oldest_row': { run: () => none },
  'ledger.read_last_removal': { run: () => none },
};

export function statementOf(name: string): Statement {
  const found = known[name];
  if (found === undefined) throw new Error(`the model does not know the statement ${name}`);
  return found;
}

/** Outside a transaction, so it sees what is committed. */
function readMarks({ walLsn, shown: { progress, beat } }: Database): Row[] {
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
      written_lsn: formatLsn(walLsn),
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

function storeProgress(database: Database, values: readonly unknown[], transaction: Transaction): Row[] {
  const before = database.progress;
  const publication = (values[9] as string | null | undefined) ?? before?.publication ?? null;
  setProgress(database, { publication, session: before?.session ?? 0 }, transaction);
  return none;
}

function nextSession(database: Database, _values: readonly unknown[], transaction: Transaction): Row[] {
  const before = database.progress;
  if (before === undefined) return none;
  setProgress(database, { ...before, session: before.session + 1 }, transaction);
  return [{ session: String(before.session + 1) }];
}

function setProgress(database: Database, progress: ProgressRow, { undo, atCommit }: Transaction): void {
  const before = database.progress;
  database.progress = progress;
  undo.push(() => {
    database.progress = before;
  });
  atCommit.push(() => {
    database.shown.progress = progress;
  });
}

function ownSession({ progress }: Database, [, session]: readonly unknown[]): Row[] {
  return progress?.session === session ? [{ started: serverStart }] : none;
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
  atCommit.push(() => {
    database.shown.beat = number;
    database.commit([], { slot: slot as string, number });
  });
  return [{ beat: String(number), snapshot: '1:1:', takenMs: 0, started: serverStart }];
}

function readControl({ control }: Database): Row[] {
  const { revision, pauses, limits } = control;
  return [
    {
      revision: String(revision),
      events: limits.eventsPerSecond === null ? null : String(limits.eventsPerSecond),
      bytes: null,
      person: null,
      note: null,
      at: null,
      pauses: pauses.map((pause) => ({ ...pause, topic: pause.topic ?? '' })),
    },
  ];
}

/** By position. On conflict it opens only what the relay itself closed to read it again. */
function storeDeadLetters(database: Database, values: readonly unknown[], transaction: Transaction): Row[] {
  const [, lsns, ordinals, ids] = values as [string, string[], number[], string[]];
  const [types, keys, names, payloads] = values.slice(4, 8) as string[][];
  const [topics, codes] = values.slice(10, 12) as string[][];
  const { deadLetters } = database;
  lsns.forEach((lsn, index) => {
    const ordinal = ordinals[index]!;
    const key = database.key(lsn, ordinal);
    const before = deadLetters.get(key);
    if (before !== undefined && !(before.status === 'resubmitted' && before.isReread)) return;
    const code = codes![index]!;
    const status = code === 'KEY_PARKED' || code === 'TOPIC_PAUSED' ? 'parked' : 'open';
    const row = {
      aggregatetype: types![index]!,
      aggregateid: keys![index]!,
      type: names![index]!,
      payload: payloads![index]!,
    };
    const about = { id: ids[index]!, topic: topics![index]!, row };
    const letter = { ...about, commitLsn: parseLsn(lsn), ordinal, status, code, isReread: false };
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
  return [{ open: String(open), oldest: 0, parked: '0', keys: '0', tookMs: 0 }];
}
