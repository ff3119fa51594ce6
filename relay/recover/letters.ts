/**
 * What the dead letters say at the progress that Kafka has, as a session of the relay would find it: whatever was decided
 * beyond it was decided by somebody who died before the commit, and is decided anew. Otherwise an event that was still to
 * be published when they died would wait behind a later one of its key.
 *
 * A session reads the events once more from the stream; here the table has them. So what the table does not have any more
 * stays set aside: the dead letter is all that is left of it. Where a session closed the dead letter, to read its event
 * again, and died before it did, it is opened again.
 */
import type pg from 'pg';
import { connectForAudit, readAll } from '../audit/read-table.ts';
import { releaseSuffix } from '../capture/pgoutput.ts';
import type { Config } from '../config/config.ts';
import { assertRowsShown } from '../connect/postgres/rows-shown.ts';
import { query } from '../connect/postgres/statement.ts';
import {
  boundsOf,
  inSession,
  isBeyond,
  isUncovered,
  type Session,
  takeBackReleases,
} from '../ledger/session.ts';
import { formatLsn, type Lsn, type Position, parseLsn } from '../model/position.ts';
import { isOfRecovery, type Progress } from '../model/progress.ts';
import type { TopicKey } from '../refusals/parking.ts';
import { idOfDigest } from './unreadable.ts';

/** Up to where what was decided is committed. */
export type Decided = {
  readonly letters: Pick<Progress, 'slot' | 'endLsn' | 'partial' | 'systemIdentifier'>;
  readonly releases: Pick<Progress, 'slot' | 'endLsn' | 'systemIdentifier'>;
};

/** No position gets there. */
const greatestLsn: Lsn = (1n << 64n) - 1n;

/**
 * Without a progress in Kafka its copy in Postgres stands for it, which lags: what it does not cover nobody could act on.
 * A release that it does not cover may be published all the same, and so counts.
 * @param progress as Kafka has it; of one that a recovery made because there was none, only the part tells anything
 * @throws RelayError POSTGRES_*
 */
export async function readDecided(pool: pg.Pool, slot: string, progress: Progress | null): Promise<Decided> {
  if (progress !== null && progress.endLsn > 0n) return { letters: progress, releases: progress };
  const [copy] = await query<{
    end: string | null;
    commit: string | null;
    ordinal: string;
    home: string | null;
  }>(
    pool,
    'reading the copy of the progress',
    `select end_lsn::text as end, partial_commit_lsn::text as commit, partial_ordinal as ordinal,
            system_identifier as home
       from outbox.progress where slot = $1`,
    [slot],
  );
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

export type Letters = {
  /** Ids of the events that are set aside. */
  readonly aside: ReadonlySet<string>;
  /** By id, where those are that are to be decided anew. */
  readonly undecided: ReadonlyMap<string, readonly Position[]>;
  /**
   * Closed by a session that was to read their events again, and perhaps did not. By id the last one; where that is NULL
   * by position, since no event without an id is ever published.
   */
  readonly reread: ReadonlyMap<string, Position>;
  /** Ids of the events that ever were set aside, as far as that is kept. */
  readonly all: ReadonlySet<string>;
};

/**
 * Not those that were resubmitted or released: they were written, or read, once more, and are in Kafka or missing like any
 * other.
 * @throws RelayError POSTGRES_*
 */
export async function readLetters(config: Config, { letters, releases }: Decided): Promise<Letters> {
  const all = new Set<string>();
  const aside = new Set<string>();
  const undecided = new Map<string, Position[]>();
  const reread = new Map<string, Position>();
  const client = await connectForAudit(config);
  try {
    await query(client, 'reading the dead letters', 'begin read only');
    const values = [...boundsOf(letters), formatLsn(releases.endLsn)];
    await readAll<LetterRow>(client, 'reading the dead letters', selectAside, values, (rows) => {
      for (const { eventId, digest, commit, ordinal, isAside, isUndecided, isOwn, isReread } of rows) {
        const position = { commitLsn: parseLsn(commit), ordinal: Number(ordinal) };
        const id = eventId ?? idOfDigest(digest ?? `${commit}.${ordinal}`);
        all.add(id);
        // A recovery that set the event aside once more did so at a later position; what came of that one counts.
        if (isReread && mayBeUnread(position, letters)) reread.set(id, position);
        else if (isOwn) reread.delete(id);
        if (isUndecided) undecided.set(id, [...(undecided.get(id) ?? []), position]);
        else if (isAside) aside.add(id);
      }
    });
    await assertRowsShown(client, config, ['outbox.dead_letter']);
  } finally {
    await client.end();
  }
  return { all, aside, undecided, reread };
}

/** The part that a recovery has published is not of the stream, and says nothing of what is. */
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
  isAside: boolean;
  isUndecided: boolean;
  isOwn: boolean;
  isReread: boolean;
};

const isReread = `status = 'resubmitted' and context ? 'reread'`;

const selectAside = `select event_id as "eventId", context #>> '{unreadable,idDigest}' as digest, commit_lsn::text as commit, ordinal,
       status in ('open', 'parked', 'discarded')
         or (status = 'released' and ${isUncovered('released_lsn', '$6', '$5')}) as "isAside",
       (status in ('open', 'parked') or ${isReread}) and ${isBeyond} as "isUndecided",
       system_identifier = $5 as "isOwn",
       ${isReread} and system_identifier = $5 and commit_lsn < pg_current_wal_insert_lsn() as "isReread"
  from outbox.dead_letter
 where slot = $1 and (event_id is not null or context #>> '{unreadable,idDigest}' is not null or ${isReread})
 order by commit_lsn, ordinal`;

/**
 * Takes back the releases that are not committed, and those dead letters, with the waiting of the keys that they began.
 * What people asked for is asked again: its place in the stream may be lost.
 * @param letters of events that are to be published now
 * @param unread of events that nobody can read again; not parked, for their key waits no more
 * @returns the keys that wait
 * @throws RelayError PRODUCER_FENCED when another session has begun; POSTGRES_*
 */
export function takeBack(
  pool: pg.Pool,
  session: Session,
  { releases }: Decided,
  letters: readonly Position[],
  unread: readonly Position[],
): Promise<TopicKey[]> {
  const { slot } = session;
  const doing = 'taking back what is not committed';
  const valuesOf = (positions: readonly Position[]) => [
    slot,
    positions.map(({ commitLsn }) => formatLsn(commitLsn)),
    positions.map(({ ordinal }) => ordinal),
  ];
  const places = valuesOf(letters);
  return inSession(pool, session, doing, async (client) => {
    await query(
      client,
      doing,
      `update outbox.dead_letter set status = 'resubmitted', context = context || '{"reread": true}'
        where slot = $1 and ${isAmong}`,
      places,
    );
    await query(
      client,
      doing,
      `update outbox.dead_letter set status = 'open', context = context - 'reread'
        where slot = $1 and ${isReread} and ${isAmong}`,
      valuesOf(unread),
    );
    await takeBackReleases(client, releases);
    await query(
      client,
      doing,
      `delete from outbox.parked_key where slot = $1 and (released_lsn is not null or ${isAmong})`,
      places,
    );
    await query(
      client,
      doing,
      `insert into outbox.heartbeat (slot, beat)
       select slot || $2, id from outbox.key_release where slot = $1 and outcome is null`,
      [slot, releaseSuffix],
    );
    await query(client, doing, 'delete from outbox.heartbeat where slot = $1', [slot + releaseSuffix]);
    return query<TopicKey>(
      client,
      'reading the parked keys',
      'select distinct topic, key from outbox.parked_key where slot = $1',
      [slot],
    );
  });
}

const isAmong = '(commit_lsn, ordinal) in (select * from unnest($2::pg_lsn[], $3::bigint[]))';
