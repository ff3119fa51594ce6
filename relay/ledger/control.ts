/**
 * Owns what people have told the relay, as it is stored in `outbox.control` and `outbox.pause`. The relay reads it before it
 * publishes anything, and every second from then on.
 */
import type pg from 'pg';
import { query, statement } from '../connect/postgres/statement.ts';
import type { Control, PauseMode } from '../model/control.ts';

/** @throws RelayError POSTGRES_* */
export async function readControl(pool: pg.Pool | pg.ClientBase, slot: string): Promise<Control> {
  const [row] = await query(pool, read, [slot]);
  const { revision, events, bytes, person, note, at, pauses } = row!;
  return {
    revision: Number(revision ?? 0),
    limits: { eventsPerSecond: numberOf(events), bytesPerSecond: numberOf(bytes) },
    limitedBy: person === null || at === null ? null : { person, reason: note, since: iso(at) },
    pauses: pauses.map(({ topic, since, until, ...rest }) => ({
      ...rest,
      topic: topic === '' ? null : topic,
      since: iso(since),
      until: until === null ? null : iso(until),
    })),
  };
}

const numberOf = (text: string | null) => (text === null ? null : Number(text));
const iso = (text: string) => new Date(text).toISOString();

type ControlRow = {
  revision: string | null;
  events: string | null;
  bytes: string | null;
  person: string | null;
  note: string | null;
  at: string | null;
  pauses: {
    topic: string;
    mode: PauseMode;
    person: string;
    reason: string;
    since: string;
    until: string | null;
    isOver: boolean;
    isReleasing: boolean;
  }[];
};

/** In one statement: a change of both tables is seen as a whole. */
const read = statement<ControlRow>(
  'ledger.read_control',
  'reading pauses and rate limits',
  `select control.revision, control.max_events_per_second as events, control.max_bytes_per_second as bytes,
          control.limit_person as person, control.limit_note as note, to_json(control.limited_at) #>> '{}' as at,
          coalesce((select json_agg(json_build_object(
                      'topic', topic, 'mode', mode, 'person', pause.person, 'reason', pause.note,
                      'since', paused_at, 'until', ends_at,
                      'isOver', coalesce(ends_at <= clock_timestamp(), false), 'isReleasing', resumed_at is not null)
                      order by topic, mode)
                     from outbox.pause where pause.slot = $1), '[]') as pauses
     from (values (1)) as one left join outbox.control on control.slot = $1`,
);

/** @throws RelayError POSTGRES_* */
export async function endExpiredPauses(pool: pg.Pool, slot: string): Promise<void> {
  await query(pool, endExpired, [slot]);
}

const endExpired = statement(
  'ledger.end_expired_pauses',
  'ending pauses whose time is over',
  'select outbox.end_expired_pauses($1)',
);

/** Requests that one transaction may hold: each costs the relay a query, so these take a second or two. */
const releasesMax = 1_000;

/**
 * Requests the release of the next keys that wait because the topic was set aside.
 * @returns how many are under way; 0 where none waits any more
 * @throws RelayError POSTGRES_*
 */
export async function releasePaused(pool: pg.Pool, slot: string, topic: string): Promise<number> {
  const [row] = await query(pool, release, [slot, topic, releasesMax]);
  return Number(row?.n ?? 0);
}

const release = statement<{ n: string }>(
  'ledger.release_paused',
  'releasing what a paused topic has set aside',
  'select outbox.release_paused($1, $2, $3) as n',
);
