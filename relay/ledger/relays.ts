/**
 * Owns the relays of a slot as they announce themselves in `outbox.relay`: for people, and to tell whether a relay obeys.
 * Nothing is decided by it about what is published: who streams is decided by Postgres, whose writes count by Kafka.
 */
import type pg from 'pg';
import { query, statement } from '../connect/postgres/statement.ts';
import type { HangingTransaction } from '../model/hanging-transaction.ts';
import type { KeepReason } from '../model/keep-reasons.ts';
import type { RelayState } from '../observe/state.ts';

/** What a relay says of itself. No payload, no key, no secret. */
export type Announcement = {
  readonly slot: string;
  readonly instance: string;
  readonly host: string;
  readonly version: string;
  readonly startedMs: number;
  readonly state: RelayState | 'stopped';
  readonly stateSinceMs: number;
  /** How often it says so. */
  readonly everySeconds: number;
  readonly httpAddress: string;
  /** The change of `outbox.control` that it obeys; null before it streams. */
  readonly revision: number | null;
  readonly facts: RelayFacts;
};

export type RelayFacts = {
  readonly isReady: boolean;
  /** As /readyz says. */
  readonly reason: string;
  readonly eventsPerSecond: number | null;
  /** Age of the oldest event that it has received and not published. */
  readonly lagMs: number | null;
  /**
   * Events that it has received and not published; null where Postgres may have some that it has not received. Earlier
   * releases do not say so.
   */
  readonly lagEvents?: number | null;
  /** WAL between the server and what is published. */
  readonly lagBytes: number | null;
  readonly isStanding: boolean;
  readonly isLimited: boolean;
  /** It recovers from a lost slot by itself, or because a person asked for it. */
  readonly isRecovering: boolean;
  /** It read its configuration again and rejected it. Earlier releases do not say so. */
  readonly hasRejectedConfig?: boolean;
  /** Keys of settings that it has read and that change only with a restart. Earlier releases do not say so. */
  readonly needRestart?: readonly string[];
  /** Of Kafka's transaction protocols, the one in use; null unless it streams. Earlier releases do not say so. */
  readonly transactionVersion?: 1 | 2 | null;
  /** What it does if the slot is lost. Earlier releases do not say so. */
  readonly whenLost?: 'stop' | 'recover';
  /** By its latest look at the outbox table; null before it, and while it does not stream. Earlier releases do not say so. */
  readonly cleanup?: CleanupFacts | null;
  /** Transactions that hang, and the one that does for longest; null where it sees none. Earlier releases do not say so. */
  readonly hanging?: {
    readonly count: number;
    readonly longest: Omit<HangingTransaction, 'standingMs'> & { readonly since: string };
  } | null;
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly hint: string;
    readonly since: string;
    /** Whether it fails still. */
    readonly isOver: boolean;
  } | null;
};

export type CleanupFacts = {
  readonly lookedAt: string;
  /** When rows or a partition were last removed; null if never. */
  readonly lastRemovalAt: string | null;
  /** What that pass removed; null where another relay did it. Earlier releases do not say so. */
  readonly lastRemoval?: {
    readonly rows: number;
    readonly partitions: number;
    readonly bytes: number;
  } | null;
  /** Partitions with rows, or tables without any, that stay, by reason; null where nothing is to be removed. */
  readonly kept: Readonly<Partial<Record<KeepReason, number>>> | null;
};

/** @throws RelayError POSTGRES_* */
export async function announce(pool: pg.Pool, said: Announcement): Promise<void> {
  await query(pool, store, [
    said.slot,
    said.instance,
    said.host,
    said.version,
    said.startedMs,
    said.state,
    said.stateSinceMs,
    said.everySeconds,
    said.httpAddress,
    said.revision,
    JSON.stringify(said.facts),
  ]);
}

const announcing = 'announcing this relay';

const store = statement(
  'ledger.announce_relay',
  announcing,
  `insert into outbox.relay as known (slot, instance, host, version, started_at, state, state_since, says_every,
                                      http_address, control_revision, facts)
   values ($1, $2, $3, $4, to_timestamp($5::float8 / 1000), $6, to_timestamp($7::float8 / 1000), $8, $9, $10, $11)
   on conflict (slot, instance) do update
     set state = excluded.state, state_since = excluded.state_since, seen_at = clock_timestamp(),
         says_every = excluded.says_every, http_address = excluded.http_address,
         control_revision = excluded.control_revision, facts = excluded.facts`,
);

/** @throws RelayError POSTGRES_* */
export async function withdraw(pool: pg.Pool, slot: string, instance: string): Promise<void> {
  await query(pool, remove, [slot, instance]);
}

const remove = statement(
  'ledger.withdraw_relay',
  announcing,
  'delete from outbox.relay where slot = $1 and instance = $2',
);

/** A relay streams: what stopped others before is over. @throws RelayError POSTGRES_* */
export async function endLastWords(pool: pg.Pool, slot: string, instance: string): Promise<void> {
  await query(pool, endWords, [slot, instance]);
}

const endWords = statement(
  'ledger.end_last_words',
  announcing,
  `update outbox.relay set facts = jsonb_set(facts, '{error,isOver}', 'true')
    where slot = $1 and instance <> $2 and state = 'stopped' and facts #>> '{error,isOver}' = 'false'`,
);

/** What is known of a relay that is gone helps for this long. */
const forgottenAfterSeconds = 86_400;

/** @throws RelayError POSTGRES_* */
export async function forgetGone(pool: pg.Pool, slot: string): Promise<void> {
  await query(pool, forget, [slot, forgottenAfterSeconds]);
}

const forget = statement(
  'ledger.forget_relays',
  announcing,
  'delete from outbox.relay where slot = $1 and seen_at < clock_timestamp() - make_interval(secs => $2)',
);

export type KnownRelay = Omit<Announcement, 'slot' | 'startedMs' | 'stateSinceMs' | 'everySeconds'> & {
  readonly startedAt: string;
  readonly stateSince: string;
  readonly seenAt: string;
  readonly unseenSeconds: number;
  /** It has said nothing for longer than it should: it died, or cannot reach Postgres. */
  readonly isGone: boolean;
};

/** Those that stream first. @throws RelayError POSTGRES_* */
export async function readRelays(client: pg.Pool | pg.ClientBase, slot: string): Promise<KnownRelay[]> {
  const rows = await query(client, read, [slot, relaysMax]);
  return rows.map(({ revision, startedAt, stateSince, seenAt, ...row }) => ({
    ...row,
    revision: revision === null ? null : Number(revision),
    startedAt: startedAt.toISOString(),
    stateSince: stateSince.toISOString(),
    seenAt: seenAt.toISOString(),
  }));
}

/** More than anybody runs; a relay that restarts again and again leaves one row for each start that it does not survive. */
const relaysMax = 50;

type RelayRow = Omit<KnownRelay, 'revision' | 'startedAt' | 'stateSince' | 'seenAt'> & {
  revision: string | null;
  startedAt: Date;
  stateSince: Date;
  seenAt: Date;
};

const read = statement<RelayRow>(
  'ledger.read_relays',
  'reading the relays of the slot',
  `select * from (
     select instance, host, version, started_at as "startedAt", state, state_since as "stateSince", seen_at as "seenAt",
            greatest(0, extract(epoch from clock_timestamp() - seen_at))::float8 as "unseenSeconds",
            clock_timestamp() - seen_at > make_interval(secs => 3 * says_every) as "isGone",
            http_address as "httpAddress", control_revision as revision, facts
       from outbox.relay where slot = $1) as known
    order by "isGone", state <> 'streaming', "seenAt" desc limit $2`,
);
