/**
 * Owns which session may write about dead letters. Promise: one does at a time. A session begins by taking back what
 * earlier ones stored beyond the progress. From then on an earlier one, which may not know yet that another relay took
 * over, writes nothing: it could release or dead-letter an event that its successor decides differently.
 *
 * What each takes back. Everything else stays as it is.
 *
 * |         | dead letters                      | releases      | requests to release      | parked keys                |
 * | ------- | --------------------------------- | ------------- | ------------------------ | -------------------------- |
 * | begin   | closed if beyond: read again      | undone if     | pending again if beyond  | deleted if released or     |
 * |         |                                   | beyond        |                          | beyond                     |
 * | adopt   | opened if closed and not read     | undone if     | ended: people ask again  | the first, where one is    |
 * |         | again                             | beyond        |                          | parked twice               |
 * | recover | of events published now: closed;  | undone if     | made again if pending    | deleted if released or of  |
 * |         | that nobody reads again: opened   | beyond        |                          | events published now       |
 *
 * The first row is `take-back.ts`, the second `adopt-dead-letters.ts`, the third `decide-again.ts`. Where the progress belongs to
 * another history, `end-parking.ts` ends all parking instead. `adopt gap` takes nothing back, and `adopt database` opens
 * dead letters only: the positions of the rest belong to the other database.
 */
import type pg from 'pg';
import { assertSameServer, assertSameStart, serverStart } from '../connect/postgres/same-server.ts';
import { query, statement } from '../connect/postgres/statement.ts';
import { inTransaction } from '../connect/postgres/transaction.ts';
import { RelayError } from '../errors.ts';
import type { Progress } from '../model/progress.ts';
import type { TopicKey } from '../refusals/parked-keys.ts';
import { takeOver } from './end-parking.ts';
import { beginSnapshots } from './snapshots.ts';
import { rereadDeadLetters, takeBackParking, takeBackReleases } from './take-back.ts';

export type Session = {
  readonly slot: string;
  readonly number: number;
  /** Start of the server that streams; undefined where nothing does. */
  readonly serverStart?: string | undefined;
};

/** Proof that no other relay took over. */
export type Hold = {
  /** The server process that streams the slot to this relay. */
  readonly walSenderPid: number | undefined;
  /** When the server of that process started. */
  readonly serverStart?: string | undefined;
  /** Number of the last session that had begun when the slot was taken. */
  readonly lastSession?: number;
  /** Taken before the slot was made, if this process made it and nothing was published from it. */
  readonly firstSnapshot?: string | undefined;
};

export type Begun = {
  readonly session: Session;
  /** Dead letters that the stream brings again. */
  readonly reread: number;
  /** Keys that wait as of the progress. */
  readonly parked: readonly TopicKey[];
};

/**
 * Writes the mark of the slot and the copy of the progress, and puts everything about dead letters back to where the
 * progress stands. Call it once the slot is held and every predecessor is fenced in Kafka.
 * @param publication identity of the publication, to be remembered
 * @throws RelayError SLOT_IN_USE if this relay no longer has the slot; POSTGRES_MOVED if another server streams; POSTGRES_*
 */
export function beginSession(
  pool: pg.Pool,
  progress: Progress,
  publication: string,
  hold: Hold,
): Promise<Begun> {
  return inTransaction(pool, 'beginning a session', async (client) => {
    await assertSameServer(client, hold.serverStart);
    await takeOver(client, progress, publication);
    await beginSnapshots(client, progress, hold.firstSnapshot);
    const [row] = await query(client, nextSession, [progress.slot]);
    await assertHolder(client, progress.slot, hold, Number(row?.session) - 1);
    const reread = await rereadDeadLetters(client, progress);
    await takeBackReleases(client, progress);
    return {
      session: { slot: progress.slot, number: Number(row?.session), serverStart: hold.serverStart },
      reread,
      parked: await takeBackParking(client, progress),
    };
  });
}

const nextSession = statement<{ session: string }>(
  'ledger.begin_session',
  'beginning a session',
  'update outbox.progress set session = session + 1 where slot = $1 returning session',
);

/**
 * A relay may be paused after its claim while another one takes over. By its old progress it would then take back what its
 * successor has stored and committed, and nobody would read that again. The row of the slot is locked here, so a relay
 * that takes the slot from now on begins its session after this one.
 *
 * A relay whose stream has failed since, for example at a row that Postgres cannot send, no longer has the slot, but must
 * still publish what it received. It may begin if nobody has the slot and the last session is the one it found. Storing or
 * committing takes a session, so nothing was stored or committed after its claim, and it takes back only what it would
 * have taken back with the slot in hand.
 */
async function assertHolder(
  client: pg.PoolClient,
  slot: string,
  { walSenderPid, lastSession }: Hold,
  session: number,
): Promise<void> {
  const held = await query(client, readHolder, [slot, walSenderPid ?? null, session === lastSession]);
  if (held.length === 0) throw new RelayError('SLOT_IN_USE', `another relay took over slot ${slot}`);
}

const readHolder = statement(
  'ledger.read_holder',
  'asking who has the slot',
  'select from pg_replication_slots where slot_name = $1 and (active_pid = $2 or active_pid is null and $3)',
);

/**
 * Begins a session that does not stream. Every earlier session loses the right to dead-letter events, to release them and
 * to begin.
 * @param firstStart what the mark says if there is none yet. `epoch` for a recovery after a relay died before it made its
 * mark: with the present time a second run would take everything that is missing for older than the first start.
 * @throws RelayError POSTGRES_*
 */
export async function beginDecisions(
  pool: pg.Pool,
  slot: string,
  systemIdentifier: string,
  firstStart: 'epoch' | 'now',
): Promise<Session> {
  const [row] = await query(pool, beginDeciding, [slot, systemIdentifier, firstStart]);
  return { slot, number: Number(row?.session) };
}

const beginDeciding = statement<{ session: string }>(
  'ledger.begin_decisions',
  'beginning a session',
  `insert into outbox.progress (slot, initialised_at, session, system_identifier) values ($1, $3::timestamptz, 1, $2)
    on conflict (slot) do update set session = progress.session + 1,
      system_identifier = coalesce(progress.system_identifier, excluded.system_identifier) returning session`,
);

/**
 * Runs `work` in a transaction, if this is still the session that began last.
 * @throws RelayError PRODUCER_FENCED if another one has begun; POSTGRES_MOVED if this is another server; POSTGRES_*
 */
export function inSession<Result>(
  pool: pg.Pool,
  session: Session,
  doing: string,
  work: (client: pg.PoolClient) => Promise<Result>,
): Promise<Result> {
  return inTransaction(pool, doing, async (client) => {
    // Because of the lock the next session begins only after this commit, and sees it.
    const own = await query(client, { ...lockOwnSession, doing }, [session.slot, session.number]);
    if (own.length === 0) throw new RelayError('PRODUCER_FENCED', `${doing}: another session has begun`);
    assertSameStart(own[0]?.started, session.serverStart);
    return work(client);
  });
}

const lockOwnSession = statement<{ started: string }>(
  'ledger.lock_own_session',
  'asking which session has begun last',
  `select ${serverStart} as started from outbox.progress where slot = $1 and session = $2 for share`,
);
