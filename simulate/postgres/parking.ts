/** Parked keys, requests to release them, and what comes of these, as the statements of the relay see and change them. */
import { formatLsn, type Lsn, parseLsn } from '../../relay/model/position.ts';
import type { TopicKey } from '../../relay/refusals/parked-keys.ts';
import { type Database, type DeadLetter, type KeyRelease, type ParkedKey, Transaction } from './database.ts';
import type { Row, Statement } from './statement.ts';

const none: Row[] = [];

export const parkingStatements: Readonly<Record<string, Statement>> = {
  'ledger.read_parked_keys': {
    run: ({ parkedKeys }) => [...parkedKeys.values()].map(({ topic, key }) => ({ topic, key })),
  },
  'ledger.store_parked_keys': { run: storeParked },
  'ledger.take_back_released_letters': { run: takeBackLetters },
  'ledger.take_back_requests': { run: takeBackRequests },
  'ledger.take_back_released_keys': { run: takeBackKeys },
  'ledger.take_back_parked_keys': { run: takeBackParked },
  // In the model a transaction is visible when the stream brings it.
  'ledger.read_transaction_lock': { run: () => none },
  'ledger.read_request': { run: readRequest },
  'ledger.read_waiting_events': { run: readWaiting },
  'ledger.close_released_letters': { run: closeReleased },
  'ledger.store_refused_release': { run: storeReasons },
  'ledger.store_release_outcome': { run: storeOutcome },
  'ledger.end_parked_key': { run: endParked },
  'ledger.move_parked_key': { run: moveParked },
  'ledger.take_back_moved_keys': { run: takeBackMoved },
  // Postgres shows it committed rows only. The model does so with a lock: no session is in the middle of a decision.
  'ledger.release_paused': { lock: ['progress', 'exclusive'], run: releasePaused },
};

type Place = { readonly commitLsn: Lsn; readonly ordinal: number };

const isBefore = (one: Place, other: Place) =>
  one.commitLsn < other.commitLsn || (one.commitLsn === other.commitLsn && one.ordinal < other.ordinal);

const isWaiting = ({ status }: DeadLetter) => status === 'open' || status === 'parked';
const statusOf = (code: string) => (code === 'KEY_PARKED' || code === 'TOPIC_PAUSED' ? 'parked' : 'open');

function storeParked(database: Database, values: readonly unknown[], transaction: Transaction): Row[] {
  const [, lsns, ordinals, topics, keys, paused] = values as [
    string,
    string[],
    number[],
    string[],
    string[],
    boolean[],
  ];
  lsns.forEach((lsn, index) => {
    const ordinal = ordinals[index]!;
    const name = database.key(lsn, ordinal);
    if (database.parkedKeys.has(name)) throw new Error(`a key is parked twice at ${name}`);
    const parked = { topic: topics[index]!, key: keys[index]!, isPaused: paused[index]! };
    database.put(database.parkedKeys, name, { ...parked, commitLsn: parseLsn(lsn), ordinal }, transaction);
  });
  return none;
}

const isUncovered = (lsn: Lsn | undefined, endLsn: Lsn, { walLsn }: Database) =>
  lsn !== undefined && lsn >= endLsn && lsn < walLsn;

function takeBackLetters(database: Database, [, end]: readonly unknown[], transaction: Transaction): Row[] {
  for (const [name, letter] of database.deadLetters) {
    if (letter.status !== 'released') continue;
    if (!isUncovered(letter.releasedLsn, parseLsn(end as string), database)) continue;
    const { releasedLsn: _, ...rest } = letter;
    database.setLetter(name, { ...rest, status: statusOf(letter.code) }, transaction);
  }
  return none;
}

function takeBackRequests(database: Database, [, end]: readonly unknown[], transaction: Transaction): Row[] {
  for (const [number, { topic, key, processedLsn }] of database.keyReleases)
    if (isUncovered(processedLsn, parseLsn(end as string), database))
      database.put(database.keyReleases, number, { topic, key } as KeyRelease, transaction);
  return none;
}

function takeBackKeys(database: Database, [, end]: readonly unknown[], transaction: Transaction): Row[] {
  for (const [name, parked] of database.parkedKeys) {
    if (!isUncovered(parked.releasedLsn, parseLsn(end as string), database)) continue;
    const { releasedLsn: _, ...rest } = parked;
    database.put(database.parkedKeys, name, rest as ParkedKey, transaction);
  }
  return none;
}

/** Before the row in whose place it is follows. */
function takeBackMoved(database: Database, [, end]: readonly unknown[], transaction: Transaction): Row[] {
  for (const [name, { movedLsn }] of database.parkedKeys)
    if (isUncovered(movedLsn, parseLsn(end as string), database))
      database.put(database.parkedKeys, name, undefined, transaction);
  return none;
}

function takeBackParked(database: Database, values: readonly unknown[], transaction: Transaction): Row[] {
  const [, endLsn, partialLsn, ordinal] = values as [string, string, string | null, number | null];
  const from = parseLsn(endLsn);
  const part = { commitLsn: partialLsn === null ? 0n : parseLsn(partialLsn), ordinal: ordinal ?? 0 };
  for (const [name, parked] of database.parkedKeys) {
    const isBeyond =
      parked.commitLsn >= from && parked.commitLsn < database.walLsn && !isBefore(parked, part);
    if (parked.releasedLsn !== undefined || isBeyond)
      database.put(database.parkedKeys, name, undefined, transaction);
  }
  return none;
}

function readRequest({ keyReleases }: Database, [, number]: readonly unknown[]): Row[] {
  const request = keyReleases.get(number as number);
  return request === undefined || request.outcome !== undefined
    ? none
    : [{ topic: request.topic, key: request.key }];
}

/** What waits for a key, in order. */
export function waitingOf({ deadLetters, parkedKeys }: Database, topic: string, key: string): DeadLetter[] {
  const [since] = [...parkedKeys.values()]
    .filter((parked) => parked.topic === topic && parked.key === key && parked.releasedLsn === undefined)
    .sort((one, other) => (isBefore(one, other) ? -1 : 1));
  if (since === undefined) return [];
  return [...deadLetters.values()]
    .filter((letter) => letter.topic === topic && letter.row.aggregateid === key && isWaiting(letter))
    .filter((letter) => !isBefore(letter, since))
    .sort((one, other) => (isBefore(one, other) ? -1 : 1));
}

function readWaiting(database: Database, values: readonly unknown[]): Row[] {
  const [, topic, key, , events] = values as [string, string, string, number, number];
  const waiting = waitingOf(database, topic, key).slice(0, events + 1);
  return waiting.slice(0, events).map(({ commitLsn, ordinal, id, row, status }, index) => ({
    commit_lsn: formatLsn(commitLsn),
    ordinal: String(ordinal),
    next_lsn: waiting[index + 1] === undefined ? null : formatLsn(waiting[index + 1]!.commitLsn),
    next_ordinal: waiting[index + 1] === undefined ? null : String(waiting[index + 1]!.ordinal),
    isOpen: status === 'open',
    id,
    ...row,
    headers: null,
    createdAt: null,
    leftOut: null,
  }));
}

function closeReleased(database: Database, values: readonly unknown[], transaction: Transaction): Row[] {
  const [, lsns, ordinals, lsn] = values as [string, string[], number[], string];
  return lsns.flatMap((commitLsn, index) => {
    const name = database.key(commitLsn, ordinals[index]!);
    const letter = database.deadLetters.get(name);
    if (letter === undefined || !isWaiting(letter)) return [];
    database.setLetter(name, { ...letter, status: 'released', releasedLsn: parseLsn(lsn) }, transaction);
    return [{}];
  });
}

function storeReasons(database: Database, values: readonly unknown[], transaction: Transaction): Row[] {
  const [, lsns, ordinals, codes] = values as [string, string[], number[], string[]];
  lsns.forEach((lsn, index) => {
    const name = database.key(lsn, ordinals[index]!);
    const letter = database.deadLetters.get(name);
    if (letter !== undefined && isWaiting(letter))
      database.setLetter(name, { ...letter, status: 'open', code: codes[index]! }, transaction);
  });
  return none;
}

function storeOutcome(database: Database, values: readonly unknown[], transaction: Transaction): Row[] {
  const [, number, lsn, outcome] = values as [string, number, string, string];
  const request = database.keyReleases.get(number);
  if (request !== undefined)
    database.put(
      database.keyReleases,
      number,
      { ...request, outcome, processedLsn: parseLsn(lsn) },
      transaction,
    );
  return none;
}

function endParked(database: Database, values: readonly unknown[], transaction: Transaction): Row[] {
  const [, topic, key, lsn] = values as [string, string, string, string];
  for (const [name, parked] of database.parkedKeys)
    if (parked.topic === topic && parked.key === key && parked.releasedLsn === undefined)
      database.put(database.parkedKeys, name, { ...parked, releasedLsn: parseLsn(lsn) }, transaction);
  return none;
}

function moveParked(database: Database, values: readonly unknown[], transaction: Transaction): Row[] {
  const [, topic, key, lsn, commitLsn, ordinal] = values as [string, string, string, string, string, number];
  const { parkedKeys } = database;
  const before = [...parkedKeys].filter(
    ([, parked]) => parked.topic === topic && parked.key === key && parked.releasedLsn === undefined,
  );
  if (before.length === 0) return none;
  const isPaused = before.some(([, parked]) => parked.isPaused);
  const at = parseLsn(lsn);
  for (const [name, parked] of before)
    database.put(parkedKeys, name, { ...parked, releasedLsn: at }, transaction);
  const name = database.key(commitLsn, ordinal);
  if (parkedKeys.has(name)) throw new Error(`a key is parked twice at ${name}`);
  const moved = { topic, key, isPaused, movedLsn: at, commitLsn: parseLsn(commitLsn), ordinal };
  database.put(parkedKeys, name, moved, transaction);
  return none;
}

/** As outbox.request_release does, of several keys. */
export function requestReleases(database: Database, slot: string, keys: readonly TopicKey[]): number[] {
  const { keyReleases } = database;
  const own = new Transaction();
  const requests = keys.map(({ topic, key }) => {
    const number = keyReleases.size + 1;
    database.put(keyReleases, number, { topic, key }, own);
    return number;
  });
  database.commit([], undefined, { slot, requests });
  return requests;
}

/** As outbox.release_paused of migration 0023 does; its own transaction, of which nothing fails. */
function releasePaused(database: Database, values: readonly unknown[]): Row[] {
  const [slot, topic, atMost] = values as [string, string, number];
  const { control, keyReleases, parkedKeys } = database;
  const isReleasing = control.pauses.some((pause) => pause.topic === topic && pause.isReleasing);
  if (!isReleasing) return [{ n: '0' }];
  const pending = [...keyReleases.values()].filter((release) => release.outcome === undefined);
  if (pending.length > 0) return [{ n: String(pending.length) }];
  const resumedAfter = database.resumedAfter.get(topic) ?? 0;
  const isTried = (key: string) =>
    [...keyReleases].some(
      ([number, tried]) => number > resumedAfter && tried.key === key && tried.outcome === 'refused',
    );
  const waiting = [...parkedKeys.values()]
    .filter((parked) => parked.isPaused && parked.releasedLsn === undefined && parked.topic === topic)
    .filter(({ key }) => !isTried(key))
    .slice(0, atMost);
  if (waiting.length > 0) requestReleases(database, slot, waiting);
  else
    database.tell({ pauses: control.pauses.filter((pause) => pause.topic !== topic || !pause.isReleasing) });
  return [{ n: String(waiting.length) }];
}
