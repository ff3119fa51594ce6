/** Which dead letters an operation is about, as SQL. Pure. */
import { formatLsn, type Position } from '../../model/position.ts';
import type { LetterName, LetterStatus } from './letter.ts';

/**
 * Every condition that is given must hold; of `names`, one. An empty text among the types, topics, paths and so on stands
 * for those that have none.
 */
export type Selection = {
  readonly names?: readonly LetterName[];
  readonly codes?: readonly string[];
  readonly types?: readonly string[];
  readonly aggregatetypes?: readonly string[];
  readonly keys?: readonly string[];
  readonly topics?: readonly string[];
  /** As the relay writes them; an index is any with `[*]`, as in `$.lines[*].price`. */
  readonly paths?: readonly string[];
  /** Bounds of the time at which it was first seen; the second one exclusive. */
  readonly since?: Date;
  readonly until?: Date;
  readonly statuses?: readonly LetterStatus[];
  /** Of a later position than that. */
  readonly after?: Position;
};

export type Condition = { readonly text: string; readonly values: readonly unknown[] };

/** A condition on `outbox.dead_letter as letter`; `$1` is the slot. */
export function conditionOf(slot: string, selection: Selection): Condition {
  const values: unknown[] = [slot];
  const bind = (value: unknown) => `$${values.push(value)}`;
  const parts = ['letter.slot = $1'];
  const among = (column: string, wanted: readonly string[] | undefined) => {
    if (wanted !== undefined) parts.push(`${column} = any (${bind(wanted)}::text[])`);
  };
  const amongOrNone = (column: string, wanted: readonly string[] | undefined) =>
    among(wanted?.includes('') ? `coalesce(letter.${column}, '')` : `letter.${column}`, wanted);
  among('letter.code', selection.codes);
  amongOrNone('type', selection.types);
  amongOrNone('aggregatetype', selection.aggregatetypes);
  amongOrNone('aggregateid', selection.keys);
  amongOrNone('topic', selection.topics);
  if (selection.paths !== undefined) {
    const wanted = bind(selection.paths);
    parts.push(
      `(coalesce(letter.path, '') = any (${wanted}::text[]) or ${pathPattern} = any (${wanted}::text[]))`,
    );
  }
  among('letter.status', selection.statuses);
  if (selection.since !== undefined) parts.push(`letter.first_seen >= ${bind(selection.since)}`);
  if (selection.until !== undefined) parts.push(`letter.first_seen < ${bind(selection.until)}`);
  if (selection.after !== undefined) {
    const { commitLsn, ordinal } = selection.after;
    parts.push(
      `(letter.commit_lsn, letter.ordinal) > (${bind(formatLsn(commitLsn))}::pg_lsn, ${bind(ordinal)}::bigint)`,
    );
  }
  if (selection.names !== undefined) parts.push(named(selection.names, bind));
  return { text: parts.join(' and '), values };
}

function named(names: readonly LetterName[], bind: (value: unknown) => string): string {
  const ids = names.flatMap((name) => (name.kind === 'event' ? [name.eventId] : []));
  const positions = names.flatMap((name) => (name.kind === 'position' ? [name.position] : []));
  const parts: string[] = [];
  if (ids.length > 0) parts.push(`letter.event_id = any (${bind(ids)}::text[])`);
  if (positions.length > 0) {
    const lsns = bind(positions.map(({ commitLsn }) => formatLsn(commitLsn)));
    const ordinals = bind(positions.map(({ ordinal }) => ordinal));
    parts.push(`(letter.commit_lsn, letter.ordinal) in
      (select * from unnest(${lsns}::pg_lsn[], ${ordinals}::bigint[]))`);
  }
  return parts.length === 0 ? 'false' : `(${parts.join(' or ')})`;
}

/** The path with `[*]` for every index: elements of one array fail for one reason. */
export const pathPattern = `regexp_replace(coalesce(letter.path, ''), '\\[\\d+\\]', '[*]', 'g')`;

const itsParkedKey = `from outbox.parked_key as parked where parked.slot = letter.slot
  and parked.topic = letter.topic and parked.key = letter.aggregateid and parked.released_lsn is null
  and parked.system_identifier = letter.system_identifier
  and (parked.commit_lsn, parked.ordinal) <= (letter.commit_lsn, letter.ordinal)`;

/**
 * True if the relay publishes it when its key is released or its topic resumed, in its place: while the key is parked, since
 * that event or an earlier one. What was refused before waits for no release, as `readWaiting` of the ledger has it. Counted
 * instead of EXISTS, with which Postgres reads every parked key for each page or round of letters.
 */
export const isOfParkedKey = `(select count(*) > 0 ${itsParkedKey})`;

/** Whether `parked` waits for its topic to be resumed, which then releases it. */
export const waitsForResume = (parked: string) => `${parked}.is_paused and exists (select from outbox.pause
  where pause.slot = ${parked}.slot and pause.topic = ${parked}.topic and pause.mode = 'set-aside')`;

/** True if the relay publishes it when its topic is resumed. */
export const isOfKeySetAside = `(select count(*) > 0 ${itsParkedKey} and ${waitsForResume('parked')})`;

/** The same as `isOfParkedKey`, where every letter is looked at: Postgres reads the parked keys once. */
export const isAmongOfParkedKeys = `exists (select ${itsParkedKey})`;

/** True if it lacks its payload or another column, because the row was too large. */
export const isLeftOut = `coalesce((letter.context -> 'leftOut') - 'rowBytes' <> '{}', false)`;

const itsPendingRelease = `from outbox.key_release as release where release.slot = letter.slot
  and release.topic = letter.topic and release.key = letter.aggregateid and release.outcome is null`;

/** True while a release of its key is requested and the relay has not met the request: it must stay as it is. */
export const isBeingReleased = `exists (select ${itsPendingRelease})`;

/** The same, of each letter of a page: counted, so that Postgres does not read every request for it. */
export const isReleaseAsked = `(select count(*) <> 0 ${itsPendingRelease})`;

/**
 * When its payload was last changed since it was refused; null if it has the payload with which it was refused, as after an
 * undo. The first id is that of a sum, so that Postgres looks among the entries of the letter, and not along all ids.
 */
export const fixedAt = `case when letter.status = 'open' then (
  select since.acted_at
    from (select min(fix.id + 0) as first, max(fix.acted_at) as acted_at from outbox.dead_letter_action as fix
           where fix.slot = letter.slot and fix.commit_lsn = letter.commit_lsn and fix.ordinal = letter.ordinal
             and fix.action = 'fix' and fix.acted_at > letter.last_seen) as since
    join outbox.dead_letter_action as earliest on earliest.id = since.first
   where earliest.previous_payload is distinct from letter.payload) end`;

/**
 * True once the progress covers the event. Before that the relay may read it again and decide otherwise, for instance
 * because a schema was registered in the meantime; if a person resubmitted it too, it would be published twice. The copy of
 * the progress lags, which is safe. Events of another cluster, where the database was before, are not read again.
 */
export const isCovered = `letter.system_identifier <> coalesce(progress.system_identifier, '') or
  letter.commit_lsn < progress.end_lsn or
  (letter.commit_lsn = progress.partial_commit_lsn and letter.ordinal < progress.partial_ordinal)`;

/** The same, where the progress is not at hand. */
export const isSettled = `exists (select from outbox.progress where progress.slot = letter.slot and (${isCovered}))`;
