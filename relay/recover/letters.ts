/**
 * The dead letters as they were at the progress in Kafka, as a session of the relay would find them. Whatever was decided
 * beyond the progress, a process decided that died before the commit, and it is decided again. Otherwise an event that was
 * still to be published when the process died would wait behind a later one of its key.
 *
 * A session reads these events again from the stream; a recovery reads them from the table. So an event that the table no
 * longer has stays a dead letter, which is all that is left of it. If a session closed a dead letter to read its event
 * again, and died before that, the recovery opens it again.
 */
import type pg from 'pg';
import { connectForAudit, pageRows } from '../audit/read-table.ts';
import type { Config } from '../config/config.ts';
import { pages } from '../connect/postgres/cursor.ts';
import { assertRowsShown } from '../connect/postgres/rows-shown.ts';
import { query, statement } from '../connect/postgres/statement.ts';
import { beginReadOnly } from '../connect/postgres/transaction.ts';
import { boundsOf, isBeyond, isReread, isUncovered } from '../ledger/take-back.ts';
import { formatLsn, type Lsn, type Position, parseLsn } from '../model/position.ts';
import { isOfRecovery, type Progress } from '../model/progress.ts';
import { idOfDigest } from './unreadable.ts';

/** The position up to which decisions are committed. */
export type Decided = {
  readonly letters: Pick<Progress, 'slot' | 'endLsn' | 'partial' | 'systemIdentifier'>;
  readonly releases: Pick<Progress, 'slot' | 'endLsn' | 'systemIdentifier'>;
};

/** No position reaches this. */
const greatestLsn: Lsn = (1n << 64n) - 1n;

/**
 * Without a progress in Kafka, its copy in Postgres counts, which lags: nobody could act on what it does not cover. A
 * release that the copy does not cover may have been published, and so it counts.
 * @param progress the one in Kafka. If a recovery wrote it because there was none, only its part means something
 * @throws RelayError POSTGRES_*
 */
export async function readDecided(pool: pg.Pool, slot: string, progress: Progress | null): Promise<Decided> {
  if (progress !== null && progress.endLsn > 0n) return { letters: progress, releases: progress };
  const [copy] = await query(pool, readCopy, [slot]);
  const partial =
    copy?.commit == null ? null : { commitLsn: parseLsn(copy.commit), ordinal: Number(copy.ordinal) };
  const systemIdentifier = copy?.home ?? '';
  return {
    letters: {
      slot,
      systemIdentifier,
      endLsn: copy?.end == null ? greatestLsn : parseLsn(copy.end),
      partial: progress?.partial ?? partial,
    },
    releases: { slot, systemIdentifier, endLsn: greatestLsn },
  };
}

const readCopy = statement<{
  end: string | null;
  commit: string | null;
  ordinal: string;
  home: string | null;
}>(
  'recover.read_progress_copy',
  'reading the copy of the progress',
  `select end_lsn::text as end, partial_commit_lsn::text as commit, partial_ordinal as ordinal,
         system_identifier as home
    from outbox.progress where slot = $1`,
);

export type Letters = {
  /** Ids of the events that are dead letters. */
  readonly deadLettered: ReadonlySet<string>;
  /** Positions of the dead letters that are decided again, by id. */
  readonly undecided: ReadonlyMap<string, readonly Position[]>;
  /**
   * Dead letters that a session closed to read their events again, and perhaps did not: the last one of each id. Those
   * without an id stand under their position, since no event without an id is ever published.
   */
  readonly reread: ReadonlyMap<string, Position>;
  /** Ids of all events that ever were dead letters, as far as Postgres still has these. */
  readonly all: ReadonlySet<string>;
};

/**
 * Leaves out events that were resubmitted or released: they were written or read again, and are in Kafka or missing like
 * any other.
 * @throws RelayError POSTGRES_*
 */
export async function readLetters(config: Config, { letters, releases }: Decided): Promise<Letters> {
  const all = new Set<string>();
  const deadLettered = new Set<string>();
  const undecided = new Map<string, Position[]>();
  const reread = new Map<string, Position>();
  const client = await connectForAudit(config);
  try {
    const values = [...boundsOf(letters), formatLsn(releases.endLsn)];
    await beginReadOnly(client, selectLetters.doing, 'read committed');
    for await (const rows of pages(client, selectLetters, values, pageRows))
      for (const { eventId, digest, commit, ordinal, isDeadLettered, isUndecided, isOwn, isReread } of rows) {
        const position = { commitLsn: parseLsn(commit), ordinal: Number(ordinal) };
        const id = eventId ?? idOfDigest(digest ?? `${commit}.${ordinal}`);
        all.add(id);
        // A recovery that refused the event again did so at a later position, and the outcome there counts.
        if (isReread && mayBeUnread(position, letters)) reread.set(id, position);
        else if (isOwn) reread.delete(id);
        if (isUndecided) undecided.set(id, [...(undecided.get(id) ?? []), position]);
        else if (isDeadLettered) deadLettered.add(id);
      }
    await assertRowsShown(client, config, ['outbox.dead_letter']);
  } finally {
    await client.end();
  }
  return { all, deadLettered, undecided, reread };
}

/** A part that a recovery published is not of the stream, and tells nothing about the stream. */
function mayBeUnread({ commitLsn, ordinal }: Position, { endLsn, partial }: Decided['letters']): boolean {
  const isOfStream: boolean = !isOfRecovery(partial);
  const from = partial !== null && isOfStream ? partial : { commitLsn: endLsn, ordinal: 0 };
  return commitLsn > from.commitLsn || (commitLsn === from.commitLsn && ordinal >= from.ordinal);
}

type LetterRow = {
  eventId: string | null;
  digest: string | null;
  commit: string;
  ordinal: string;
  isDeadLettered: boolean;
  isUndecided: boolean;
  isOwn: boolean;
  isReread: boolean;
};

const selectLetters = statement<LetterRow>(
  'recover.read_letters',
  'reading the dead letters',
  `select event_id as "eventId", context #>> '{unreadable,idDigest}' as digest, commit_lsn::text as commit, ordinal,
          status in ('open', 'parked', 'discarded')
            or (status = 'released' and ${isUncovered('released_lsn', '$6', '$5')}) as "isDeadLettered",
          (status in ('open', 'parked') or ${isReread}) and ${isBeyond} as "isUndecided",
          system_identifier = $5 as "isOwn",
          ${isReread} and system_identifier = $5 and commit_lsn < pg_current_wal_insert_lsn() as "isReread"
     from outbox.dead_letter
    where slot = $1 and (event_id is not null or context #>> '{unreadable,idDigest}' is not null or ${isReread})
    order by commit_lsn, ordinal`,
);
