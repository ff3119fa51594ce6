/**
 * Owns the rows of `outbox.action` that a relay writes when it has recovered from a lost slot by itself. People read in the
 * audit trail who published from the outbox table, and `status` shows the latest. Nothing is decided by them.
 */
import type pg from 'pg';
import { query, statement } from '../connect/postgres/statement.ts';

export type OwnRecovery = {
  /** Of the error that named the loss. */
  readonly code: string;
  readonly outcome: 'recovered' | 'refused';
  readonly published: number;
  readonly deadLettered: number;
  readonly tookMs: number;
  /** Number of keys that slot.recoverByWritingOrder let it publish in the order of writing. */
  readonly uncertainKeys: number;
};

/** A supervisor may start a relay that refuses again and again: one row in this time is enough. */
const refusalEverySeconds = 3_600;

/** @throws RelayError POSTGRES_* */
export async function recordOwnRecovery(
  pool: pg.Pool,
  slot: string,
  instance: string,
  recovery: OwnRecovery,
): Promise<void> {
  const details = { ...recovery, tookMs: Math.round(recovery.tookMs), isUnattended: true };
  await query(pool, record, [
    slot,
    `relay ${instance}`,
    `slot.whenLost: recover; ${recovery.code}`,
    JSON.stringify(details),
    recovery.outcome === 'refused' ? refusalEverySeconds : 0,
  ]);
}

const record = statement(
  'ledger.record_own_recovery',
  'writing into the audit trail',
  `select outbox.record_action($1, 'recover', null, $2, $3, $4::jsonb)
    where not exists (select from outbox.action
                       where slot = $1 and action = 'recover' and details ->> 'outcome' = 'refused'
                         and acted_at > clock_timestamp() - make_interval(secs => $5))`,
);

export type KnownRecovery = Omit<OwnRecovery, 'outcome'> & { readonly at: string; readonly by: string };

/** The latest that succeeded, if it is not older than a day. @throws RelayError POSTGRES_* */
export async function readOwnRecovery(
  client: pg.Pool | pg.ClientBase,
  slot: string,
): Promise<KnownRecovery | null> {
  const [row] = await query(client, readLatest, [slot]);
  return row === undefined ? null : { ...row.details, at: row.at.toISOString(), by: row.by };
}

const readLatest = statement<{ at: Date; by: string; details: Omit<OwnRecovery, 'outcome'> }>(
  'ledger.read_own_recovery',
  'reading the audit trail',
  `select acted_at as at, person as by,
          json_build_object('code', details ->> 'code', 'published', (details ->> 'published')::float8,
                            'deadLettered', (details ->> 'deadLettered')::float8, 'tookMs', (details ->> 'tookMs')::float8,
                            'uncertainKeys', (details ->> 'uncertainKeys')::float8) as details
     from outbox.action
    where slot = $1 and action = 'recover' and details ->> 'outcome' = 'recovered'
      and acted_at > clock_timestamp() - interval '1 day'
    order by id desc limit 1`,
);
