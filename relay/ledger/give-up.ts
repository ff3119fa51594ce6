/**
 * What an adoption does about dead letters before it commits a progress that does not go on from the last one: no session
 * reads again what lies between, and none compares with the last progress any more. So whatever is not covered by that is
 * put back to where people see it. Done before the commit: whoever dies in between does it again, and finds nothing to do.
 */
import type pg from 'pg';
import { query, statement } from '../connect/postgres/statement.ts';
import type { Progress } from '../model/progress.ts';
import { boundsOf, inSession, type Session, takeBackReleases } from './session.ts';

type Given = Pick<Progress, 'slot' | 'endLsn' | 'partial' | 'systemIdentifier'>;

const doing = 'taking back what is given up';

/**
 * Takes back the releases that `before` does not cover, so that their events wait again; opens what a session closed to read
 * it again; and ends the requests, whose places in the stream may be lost, so that people ask again.
 * @param before the last progress, or its copy
 * @throws RelayError PRODUCER_FENCED when another session has begun; POSTGRES_*
 */
export function giveUp(pool: pg.Pool, session: Session, before: Given): Promise<void> {
  return inSession(pool, session, doing, async (client) => {
    await takeBackReleases(client, before);
    // Parked once more by the session that released it: what waits now waits from its first place on.
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

/** Opens alone: of a database whose history is given up, the rest is done once that is committed. */
export function reopenUnread(pool: pg.Pool, session: Session, before: Given): Promise<void> {
  return inSession(pool, session, doing, (client) => reopen(client, before));
}

/**
 * Whatever the server's WAL has reached: nobody reads these positions again. A recovery that set the event aside once more
 * did so at a later position, and what came of that one counts.
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
