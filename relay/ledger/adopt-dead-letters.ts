/**
 * Owns what an adoption does about dead letters before it commits a progress that does not continue the last one. No
 * session reads again what lies between the two, and none compares with the last progress any more. So everything that
 * the last progress does not cover goes back to where people see it. If the process dies before the commit, the next
 * adoption does it again and finds nothing to do.
 */
import type pg from 'pg';
import { query, statement } from '../connect/postgres/statement.ts';
import type { Progress } from '../model/progress.ts';
import { inSession, type Session } from './session.ts';
import { boundsOf, takeBackReleases } from './take-back.ts';

type Given = Pick<Progress, 'slot' | 'endLsn' | 'partial' | 'systemIdentifier'>;

const doing = 'taking back what is given up';

/**
 * Takes back the releases that `before` does not cover, so that their events wait again. Opens the dead letters that a
 * session closed to read them again. Ends the requests, whose places in the stream may be lost, so that people ask again.
 * @param before the last progress, or its copy
 * @throws RelayError PRODUCER_FENCED if another session has begun; POSTGRES_*
 */
export function giveUp(pool: pg.Pool, session: Session, before: Given): Promise<void> {
  return inSession(pool, session, doing, async (client) => {
    await takeBackReleases(client, before);
    // The session that released a key may have parked it again. Its events now wait from the first place.
    await query(client, forgetParkedAgain, [session.slot]);
    await query(client, endRequests, [session.slot]);
    await reopen(client, before);
  });
}

const forgetParkedAgain = statement(
  'ledger.forget_keys_parked_again',
  doing,
  `delete from outbox.parked_key as again where slot = $1 and released_lsn is null and exists (
    select from outbox.parked_key as first
     where first.slot = again.slot and first.topic = again.topic and first.key = again.key
       and first.released_lsn is null and first.system_identifier = again.system_identifier
       and (first.commit_lsn, first.ordinal) < (again.commit_lsn, again.ordinal))`,
);

const endRequests = statement(
  'ledger.end_requests_given_up',
  doing,
  `update outbox.key_release set outcome = 'limited', published = 0, processed_at = now()
    where slot = $1 and outcome is null`,
);

/** Only opens dead letters. If the history of a database is given up, the rest follows after the commit. */
export function reopenUnread(pool: pg.Pool, session: Session, before: Given): Promise<void> {
  return inSession(pool, session, doing, (client) => reopen(client, before));
}

/**
 * Nobody reads these positions again, however far the server's WAL has come. A recovery that dead-lettered the event again
 * did so at a later position, and that dead letter counts.
 */
async function reopen(client: pg.PoolClient, before: Given): Promise<void> {
  await query(client, reopenLetters, boundsOf(before));
}

const reopenLetters = statement(
  'ledger.reopen_letters',
  doing,
  `update outbox.dead_letter as letter set status = 'open', context = context - 'reread'
    where slot = $1 and status = 'resubmitted' and context ? 'reread' and system_identifier = $5 and commit_lsn >= $2
      and (commit_lsn, ordinal) >= (coalesce($3::pg_lsn, '0/0'), coalesce($4::bigint, 0))
      and not exists (select from outbox.dead_letter as later
        where later.slot = letter.slot and later.event_id = letter.event_id
          and later.system_identifier = letter.system_identifier
          and (later.commit_lsn, later.ordinal) > (letter.commit_lsn, letter.ordinal))`,
);
