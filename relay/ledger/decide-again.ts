/**
 * Owns what a recovery takes back. It reads events from the table and not from the stream, so it says itself which dead
 * letters are decided again, and requests to release have to come on the stream once more.
 */
import type pg from 'pg';
import { query, statement } from '../connect/postgres/statement.ts';
import { formatLsn, type Position } from '../model/position.ts';
import { releaseSuffix } from '../model/release-request.ts';
import type { TopicKey } from '../refusals/parked-keys.ts';
import { inSession, type Session } from './session.ts';
import { type CoveredEnd, isReread, readParkedKeys, takeBackReleases } from './take-back.ts';

/**
 * Takes back what is not committed: releases, the given dead letters, and the parking of the keys that these parked.
 * Requests to release are made again, since their place in the stream may be lost.
 * @param letters dead letters of events that are published now
 * @param unread dead letters of events that nobody can read again. They are opened and not parked: their key waits no more
 * @returns the parked keys
 * @throws RelayError PRODUCER_FENCED if another session has begun; POSTGRES_*
 */
export function decideAgain(
  pool: pg.Pool,
  session: Session,
  { releases }: { readonly releases: CoveredEnd },
  letters: readonly Position[],
  unread: readonly Position[],
): Promise<TopicKey[]> {
  const { slot } = session;
  const valuesOf = (positions: readonly Position[]) => [
    slot,
    positions.map(({ commitLsn }) => formatLsn(commitLsn)),
    positions.map(({ ordinal }) => ordinal),
  ];
  const places = valuesOf(letters);
  return inSession(pool, session, takingBack, async (client) => {
    await query(client, rereadLetters, places);
    await query(client, reopenLetters, valuesOf(unread));
    await takeBackReleases(client, releases);
    await query(client, forgetParked, places);
    await query(client, askAgain, [slot, releaseSuffix]);
    await query(client, forgetAsked, [slot + releaseSuffix]);
    return readParkedKeys(client, slot);
  });
}

const takingBack = 'taking back what is not committed';

const isAmong = '(commit_lsn, ordinal) in (select * from unnest($2::pg_lsn[], $3::bigint[]))';

const rereadLetters = statement(
  'ledger.close_letters_decided_again',
  takingBack,
  `update outbox.dead_letter set status = 'resubmitted', context = context || '{"reread": true}'
    where slot = $1 and ${isAmong}`,
);

const reopenLetters = statement(
  'ledger.open_unread_letters',
  takingBack,
  `update outbox.dead_letter set status = 'open', context = context - 'reread'
    where slot = $1 and ${isReread} and ${isAmong}`,
);

const forgetParked = statement(
  'ledger.forget_keys_decided_again',
  takingBack,
  `delete from outbox.parked_key where slot = $1 and (released_lsn is not null or ${isAmong})`,
);

const askAgain = statement(
  'ledger.ask_again_for_releases',
  takingBack,
  `insert into outbox.heartbeat (slot, beat)
    select slot || $2, id from outbox.key_release where slot = $1 and outcome is null`,
);

const forgetAsked = statement(
  'ledger.forget_asked_releases',
  takingBack,
  'delete from outbox.heartbeat where slot = $1',
);
