/** Reads dead letters and their audit trail. Only `readContent` returns a payload, of one dead letter. */
import type pg from 'pg';
import type { LeftOut } from '../../capture/transaction.ts';
import { query, statement } from '../../connect/postgres/statement.ts';
import { parsePosition } from '../../model/position.ts';
import {
  type Letter,
  type LetterAction,
  type LetterStatus,
  parseLetterName,
  positionText,
  waitsFor,
} from './letter.ts';
import {
  conditionOf,
  fixedAt,
  isBeingReleased,
  isCovered,
  isLeftOut,
  isOfKeySetAside,
  isOfParkedKey,
  isReleaseAsked,
  type Selection,
} from './selection.ts';

export type LetterRow = {
  commit_lsn: string;
  ordinal: string;
  event_id: string | null;
  aggregatetype: string | null;
  aggregateid: string | null;
  type: string | null;
  topic: string | null;
  subject: string | null;
  schema_id: number | null;
  code: string;
  message: string;
  path: string | null;
  status: LetterStatus;
  left_out: LeftOut | null;
  is_of_parked_key: boolean;
  is_of_key_set_aside: boolean;
  is_release_asked: boolean;
  fixed_at: Date | null;
  first_seen: Date;
};

export const letterColumns = `commit_lsn::text, ordinal, event_id, aggregatetype, aggregateid, type, topic,
  context ->> 'subject' as subject, (context ->> 'schemaId')::int as schema_id, code, message, path, status,
  context -> 'leftOut' as left_out,
  ${isOfParkedKey} as is_of_parked_key, ${isOfKeySetAside} as is_of_key_set_aside,
  ${isReleaseAsked} as is_release_asked, ${fixedAt} as fixed_at, first_seen`;

/** Dead letters of a page: at about 600 bytes each, little memory and few round trips. */
const pageLetters = 1_000;

/** The oldest positions first, page by page. @throws RelayError POSTGRES_* */
export async function* pagesOfLetters(
  client: pg.Pool | pg.ClientBase,
  slot: string,
  selection: Selection,
  limit: number,
): AsyncGenerator<Letter[]> {
  let left = limit;
  let after: Selection['after'];
  while (left > 0) {
    const wanted = Math.min(left, pageLetters);
    const page = await listLetters(client, slot, { ...selection, ...(after && { after }) }, wanted);
    const last = page.at(-1);
    if (last !== undefined) yield page;
    if (last === undefined || page.length < wanted) return;
    left -= page.length;
    after = parsePosition(last.position)!;
  }
}

/** The oldest positions first, all at once. @throws RelayError POSTGRES_* */
export async function listLetters(
  client: pg.Pool | pg.ClientBase,
  slot: string,
  selection: Selection,
  limit: number,
): Promise<Letter[]> {
  const { text, values } = conditionOf(slot, selection);
  const rows = await query(
    client,
    statement<LetterRow>(
      'operations.read_letters',
      'reading the dead letters',
      `select ${letterColumns} from outbox.dead_letter as letter where ${text}
     order by letter.commit_lsn, letter.ordinal limit ${limit}`,
    ),
    values,
  );
  return rows.map(toLetter);
}

export function toLetter(row: LetterRow): Letter {
  const { status, code, is_of_parked_key: isOfParkedKey, is_of_key_set_aside: isOfKeySetAside } = row;
  const fixedAt = row.fixed_at?.toISOString() ?? null;
  const waiting = { isReleaseAsked: row.is_release_asked, isFixed: fixedAt !== null };
  return {
    position: positionText(row.commit_lsn, row.ordinal),
    eventId: row.event_id,
    aggregatetype: row.aggregatetype,
    aggregateid: row.aggregateid,
    type: row.type,
    topic: row.topic,
    subject: row.subject,
    schemaId: row.schema_id,
    code,
    message: row.message,
    path: row.path,
    status,
    leftOut: row.left_out,
    isOfParkedKey,
    isOfKeySetAside,
    fixedAt,
    waitsFor: waitsFor({ status, code, isOfParkedKey, isOfKeySetAside, ...waiting }),
    firstSeen: row.first_seen.toISOString(),
  };
}

/** @throws RelayError POSTGRES_* */
export async function countLetters(
  client: pg.Pool | pg.ClientBase,
  slot: string,
  selection: Selection,
): Promise<number> {
  const { text, values } = conditionOf(slot, selection);
  const [row] = await query(
    client,
    statement<{ count: string }>(
      'operations.count_letters',
      'counting the dead letters',
      `select count(*) from outbox.dead_letter as letter where ${text}`,
    ),
    values,
  );
  return Number(row!.count);
}

/** Columns of the event that a dead letter holds, as Postgres printed them. */
export type LetterContent = {
  readonly payload: string | null;
  readonly headers: string | null;
  readonly createdAt: string | null;
};

/** @returns undefined when it is gone */
export async function readContent(
  client: pg.Pool | pg.ClientBase,
  slot: string,
  letter: Pick<Letter, 'position'>,
): Promise<LetterContent | undefined> {
  const { text, values } = conditionOf(slot, byPosition(letter));
  const [content] = await query(
    client,
    statement<LetterContent>(
      'operations.read_letter_content',
      'reading a dead letter',
      `select payload, headers, event_created_at as "createdAt" from outbox.dead_letter as letter where ${text}`,
    ),
    values,
  );
  return content;
}

/** Of an event that was tried several times, because the reason could have been temporary. */
export type LetterFailure = { readonly attempts: number; readonly stack: string };

/** @returns undefined where the reason was clear at once */
export async function readFailure(
  client: pg.Pool | pg.ClientBase,
  slot: string,
  letter: Pick<Letter, 'position'>,
): Promise<LetterFailure | undefined> {
  const { text, values } = conditionOf(slot, byPosition(letter));
  const [failure] = await query(
    client,
    statement<LetterFailure>(
      'operations.read_letter_failure',
      'reading a dead letter',
      `select (context ->> 'attempts')::int as attempts, context ->> 'stack' as stack
       from outbox.dead_letter as letter where ${text} and context ? 'stack'`,
    ),
    values,
  );
  return failure;
}

/** Whether a release of its key is requested, and the relay has not met the request. */
export async function isBeingReleasedNow(
  client: pg.Pool | pg.ClientBase,
  slot: string,
  letter: Pick<Letter, 'position'>,
): Promise<boolean> {
  const { text, values } = conditionOf(slot, byPosition(letter));
  const found = await query(
    client,
    statement(
      'operations.is_letter_being_released',
      'looking for a release of the key',
      `select from outbox.dead_letter as letter where ${text} and ${isBeingReleased}`,
    ),
    values,
  );
  return found.length > 0;
}

type ActionRow = Omit<LetterAction, 'actedAt'> & { readonly actedAt: Date };

/** The trail of one dead letter, oldest first. */
export async function readActions(
  client: pg.Pool | pg.ClientBase,
  slot: string,
  letter: Pick<Letter, 'position'>,
): Promise<LetterAction[]> {
  const { text, values } = conditionOf(slot, byPosition(letter));
  const rows = await query(
    client,
    statement<ActionRow>(
      'operations.read_letter_actions',
      'reading the trail of a dead letter',
      `select action, from_status as "fromStatus", to_status as "toStatus", session_role as "sessionRole", person, note,
       acted_at as "actedAt" from outbox.dead_letter_action as letter where ${text} order by id`,
    ),
    values,
  );
  return rows.map((row) => ({ ...row, actedAt: row.actedAt.toISOString() }));
}

/** Who had it published. */
export type LetterRelease = {
  /** As with an action. */
  readonly sessionRole: string;
  readonly person: string;
  readonly note: string | null;
  /** ISO 8601, UTC. */
  readonly requestedAt: string;
  /** When the relay did it. */
  readonly processedAt: string | null;
};

/** @returns undefined where no release published it, or the request is not known any more */
export async function readRelease(
  client: pg.Pool | pg.ClientBase,
  slot: string,
  letter: Pick<Letter, 'position' | 'status'>,
): Promise<LetterRelease | undefined> {
  if (letter.status !== 'released') return undefined;
  const { text, values } = conditionOf(slot, byPosition(letter));
  const [row] = await query(
    client,
    statement<{
      session_role: string;
      person: string;
      note: string | null;
      requested_at: Date;
      processed_at: Date | null;
    }>(
      'operations.read_letter_release',
      'reading who released a dead letter',
      // Of one transaction, hence of one LSN, there may be requests for other keys.
      `select asked.session_role, asked.person, asked.note, asked.requested_at, asked.processed_at
         from outbox.dead_letter as letter
         join outbox.key_release as asked on asked.slot = letter.slot and asked.processed_lsn = letter.released_lsn
          and asked.topic = letter.topic and asked.key = letter.aggregateid
        where ${text} order by asked.id desc limit 1`,
    ),
    values,
  );
  if (row === undefined) return undefined;
  const { session_role: sessionRole, person, note, requested_at, processed_at } = row;
  const processedAt = processed_at?.toISOString() ?? null;
  return { sessionRole, person, note, requestedAt: requested_at.toISOString(), processedAt };
}

/** A selection, counted. */
export type Tally = {
  /** Those that can be closed: open ones, and parked ones if the selection has them. */
  readonly open: number;
  /** Of those: the progress does not cover them yet, so the relay may still decide otherwise. */
  readonly unsettled: number;
  /** Of those: they lack their payload or headers, so they can only be fixed or discarded. */
  readonly leftOut: number;
  /** Of those: they have no event id, so they can only be discarded. */
  readonly withoutId: number;
  /** Of those: their key is parked, so they are released instead of resubmitted. */
  readonly ofParkedKeys: number;
  /** Of those: a release of their key is requested. */
  readonly beingReleased: number;
  readonly byCode: Readonly<Record<string, number>>;
};

type TallyRow = {
  code: string;
  open: string;
  unsettled: string;
  left_out: string;
  without_id: string;
  of_parked_keys: string;
  being_released: string;
};

/** @param selection of open ones, unless it says otherwise */
export async function tally(
  client: pg.Pool | pg.ClientBase,
  slot: string,
  selection: Selection,
): Promise<Tally> {
  const { text, values } = conditionOf(slot, { statuses: ['open'], ...selection });
  const rows = await query(
    client,
    statement<TallyRow>(
      'operations.tally_letters',
      'counting the dead letters', // The one row of the progress is joined, not looked up for each.
      `select code, count(*) as open, count(*) filter (where progress.slot is null or (${isCovered}) is not true) as unsettled,
       count(*) filter (where ${isLeftOut}) as left_out,
       count(*) filter (where coalesce(event_id, '') = '') as without_id,
       count(*) filter (where ${isOfParkedKey}) as of_parked_keys,
       count(*) filter (where ${isBeingReleased}) as being_released
     from outbox.dead_letter as letter left join outbox.progress on progress.slot = letter.slot
     where ${text} group by code order by count(*) desc, code`,
    ),
    values,
  );
  const sum = (column: Exclude<keyof TallyRow, 'code'>) =>
    rows.reduce((total, row) => total + Number(row[column]), 0);
  return {
    open: sum('open'),
    unsettled: sum('unsettled'),
    leftOut: sum('left_out'),
    withoutId: sum('without_id'),
    ofParkedKeys: sum('of_parked_keys'),
    beingReleased: sum('being_released'),
    byCode: Object.fromEntries(rows.map(({ code, open }) => [code, Number(open)])),
  };
}

/** What the payload was refused for, so that it will be again, unless a schema that takes it was registered. */
const aboutPayload = ['PAYLOAD_INVALID', 'PAYLOAD_NOT_JSON'];

/** How many of the open ones still have the payload for which they were refused. Looks into the trail of each. */
export async function countUnrepaired(
  client: pg.Pool | pg.ClientBase,
  slot: string,
  selection: Selection,
): Promise<number> {
  const { text, values } = conditionOf(slot, { ...selection, statuses: ['open'] });
  const [row] = await query(
    client,
    statement<{ n: string }>(
      'operations.count_unrepaired_letters',
      'counting the dead letters that nobody has fixed',
      `select count(*) filter (where ${fixedAt} is null) as n from outbox.dead_letter as letter
        where ${text} and code = any ($${values.length + 1})`,
    ),
    [...values, aboutPayload],
  );
  return Number(row?.n);
}

export function byPosition({ position }: Pick<Letter, 'position'>): Selection {
  return { names: [parseLetterName(position)] };
}
