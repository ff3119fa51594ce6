/**
 * What a person asks about a cause before and after the repair: which values stand at the place, how many are fixed and what
 * they wait for, when the last one came, and how many events wait unseen behind their keys. Changes nothing.
 *
 * Totals, times and what waits are of all dead letters of the selection. Values and fixes are those of the oldest ones, as
 * many as are read at once; `read` says how many.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type pg from 'pg';
import type { Config } from '../../config/config.ts';
import { query, statement } from '../../connect/postgres/statement.ts';
import { withPool } from '../with-pool.ts';
import { type WaitsFor, waitKinds } from './letter.ts';
import { glanceAtMany } from './read-contents.ts';
import { conditionOf, isAmongOfParkedKeys, type Selection } from './selection.ts';
import { assertLettersShown } from './transaction.ts';
import { type Present, payloadOf, type Tallied, ValueTally, valueThere } from './value-there.ts';

export type Outlook = {
  /** ISO 8601, UTC; as the other times. */
  readonly at: string;
  readonly total: number;
  readonly firstRefused: string | null;
  readonly lastRefused: string | null;
  /** Those that a release of their key publishes, and `resubmit` leaves out. */
  readonly ofParkedKeys: number;
  /** Parked keys of these dead letters, and the events that wait behind them, which the relay has not judged yet. */
  readonly behind: {
    readonly keys: number;
    readonly events: number;
    /** Whether `events` is where the counting ended. */
    readonly isMore: boolean;
  };
  /** The oldest of them, which were read for what follows. */
  readonly read: number;
  readonly fixed: number;
  /** Open and not fixed. */
  readonly notFixed: number;
  readonly waitsFor: Readonly<Record<WaitsFor, number>>;
  /** null where the person who looks may see none. */
  readonly values: LetterValues | null;
};

export type LetterValues = Tallied & {
  /** Hold nothing there: no such field, no payload, none that is JSON, or a refusal that names no place. */
  readonly withoutOne: number;
  /** Whose payloads are more than is read at once: they may have any value. */
  readonly notRead: number;
};

/** Beyond it, how many more wait changes nothing for a person. */
const behindMax = 100_000;

/** @throws RelayError POSTGRES_* */
export function outlookOf(
  config: Config,
  selection: Selection,
  present: Present = (text) => text,
): Promise<Outlook> {
  return withPool(config, async (pool) => {
    const slot = config.slot.name;
    const [span, behind] = await Promise.all([
      readSpan(pool, slot, selection),
      readBehind(pool, slot, selection),
    ]);
    const seen = await readOldest(pool, slot, selection, present);
    await assertLettersShown(pool, config);
    // More may have come since they were counted.
    return { ...span, total: Math.max(span.total, seen.read), ...behind, ...seen };
  });
}

async function readOldest(pool: pg.Pool, slot: string, selection: Selection, present: Present) {
  const letters = await glanceAtMany(pool, slot, selection);
  const tally = new ValueTally();
  const waitsFor = Object.fromEntries(waitKinds.map((kind) => [kind, 0])) as Record<WaitsFor, number>;
  let [fixed, notFixed, withoutOne, notRead, isHidden] = [0, 0, 0, 0, false];
  for (const [index, each] of letters.entries()) {
    // Others get their turn: parsing all of it takes some 100 ms.
    if (index % 500 === 499) await nextTurn();
    const { status, fixedAt, waitsFor: awaited } = each.letter;
    if (fixedAt !== null) fixed++;
    else if (status === 'open') notFixed++;
    if (awaited !== null) waitsFor[awaited]++;
    const there = valueThere(payloadOf(each), present);
    if (there.state === 'value') tally.add(there.text);
    else if (there.state === 'not-read') notRead++;
    else withoutOne++;
    isHidden ||= there.state === 'hidden';
  }
  const values = isHidden ? null : { ...tally.result, withoutOne, notRead };
  return { read: letters.length, fixed, notFixed, waitsFor, values };
}

async function readSpan(pool: pg.Pool, slot: string, selection: Selection) {
  const { text, values } = conditionOf(slot, selection);
  const [row] = await query(
    pool,
    statement<{ at: Date; total: string; first: Date | null; last: Date | null }>(
      'operations.span_of_letters',
      'counting the dead letters',
      `select now() as at, count(*) as total, min(first_seen) as first, max(first_seen) as last
         from outbox.dead_letter as letter where ${text}`,
    ),
    values,
  );
  const { at, total, first, last } = row!;
  return {
    at: at.toISOString(),
    total: Number(total),
    firstRefused: first?.toISOString() ?? null,
    lastRefused: last?.toISOString() ?? null,
  };
}

/** Events that only wait; what was refused by itself is open, and listed. */
async function readBehind(pool: pg.Pool, slot: string, selection: Selection) {
  const { text, values } = conditionOf(slot, selection);
  const [row] = await query(
    pool,
    statement<{ letters: string; keys: string; events: string }>(
      'operations.count_behind_letters',
      'counting what waits behind the dead letters',
      `with letters as materialized (
         select topic, aggregateid from outbox.dead_letter as letter where ${text} and ${isAmongOfParkedKeys}),
       keys as materialized (select distinct topic, aggregateid from letters)
       select (select count(*) from letters) as letters, (select count(*) from keys) as keys, count(*) as events from (
         select from keys join outbox.dead_letter as waiting on waiting.slot = $1 and waiting.topic = keys.topic
            and hashtextextended(waiting.aggregateid, 0) = hashtextextended(keys.aggregateid, 0)
            and waiting.aggregateid = keys.aggregateid and waiting.status = 'parked' limit ${behindMax + 1}) as waiting`,
    ),
    values,
  );
  const events = Number(row!.events);
  return {
    ofParkedKeys: Number(row!.letters),
    behind: { keys: Number(row!.keys), events: Math.min(events, behindMax), isMore: events > behindMax },
  };
}
