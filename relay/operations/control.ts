/**
 * What people tell a running relay: pause, resume, and how much it may publish. An operation stores it, with who and why in
 * the audit trail, and waits until every relay that streams obeys. A relay that starts later obeys from its first event.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import type { Config } from '../config/config.ts';
import { allowList } from '../config/topic-patterns.ts';
import { assertRowsShown } from '../connect/postgres/rows-shown.ts';
import { query, statement } from '../connect/postgres/statement.ts';
import { RequestInvalid } from '../errors.ts';
import { readControl } from '../ledger/control.ts';
import { type KnownRelay, readRelays } from '../ledger/relays.ts';
import { controlTables } from '../ledger/tables.ts';
import {
  activePauses,
  type Control,
  limitsOf,
  type Pause,
  type PauseMode,
  type RateLimits,
} from '../model/control.ts';
import type { Actor } from './actor.ts';
import { withPool } from './with-pool.ts';

/** What became of it. */
export type Obedience = {
  /** `obeyed`: by every relay that streams. `waiting`: not yet. `nobody`: none streams; it counts from the next start on. `unchanged`: a dry run, or there was nothing to end. */
  readonly outcome: 'obeyed' | 'waiting' | 'nobody' | 'unchanged';
  /** Names of the relays that it is about. */
  readonly relays: readonly string[];
  readonly control: Control;
  /** What counts, by what people say and by the settings. */
  readonly limits: RateLimits;
  /** The topic of a pause, if Kafka shows none of this name. null also where Kafka did not say. */
  readonly absentTopic: string | null;
  /** The topic of a pause, if Kafka did not say in time whether there is such a one. */
  readonly unaskedTopic: string | null;
  /** When the same pause would have ended by itself, if it now has no end any more; ISO 8601. */
  readonly droppedEnd: string | null;
};

type Telling = {
  readonly config: Config;
  readonly actor: Actor;
  /** How long to wait for the relays, in ms. */
  readonly waitMs: number;
  readonly isDryRun: boolean;
};

export type Pausing = Telling & {
  /** undefined: everything. */
  readonly topic: string | undefined;
  readonly mode: PauseMode;
  /** undefined: until somebody resumes it. */
  readonly forSeconds: number | undefined;
};

/** @throws RequestInvalid for a topic to which no event goes; RelayError POSTGRES_* */
export function pauseRelay({ topic, mode, forSeconds, ...telling }: Pausing): Promise<Obedience> {
  const { config, actor } = telling;
  if (topic !== undefined) assertEventTopic(config, topic);
  const store = (pool: pg.Pool) =>
    change(pool, pause, [
      config.slot.name,
      topic ?? '',
      mode,
      forSeconds ?? null,
      actor.person,
      actor.reason,
    ]);
  // A pause is also for the time when Kafka is away: it is stored whatever Kafka says.
  const isThere = topic === undefined ? null : askKafka(config, topic);
  let before: Control | undefined;
  const noted = async (pool: pg.Pool) => {
    before = await readControl(pool, config.slot.name);
    return store(pool);
  };
  return tell(telling, noted).then(async (told) => {
    const answer = await isThere;
    const isSame = (pause: Pause) => pause.topic === (topic ?? null) && pause.mode === mode;
    const end = before === undefined ? undefined : activePauses(before).find(isSame)?.until;
    return {
      ...told,
      ...(topic !== undefined && answer === false ? { absentTopic: topic } : {}),
      ...(topic !== undefined && answer === null ? { unaskedTopic: topic } : {}),
      ...(forSeconds === undefined && end != null ? { droppedEnd: end } : {}),
    };
  });
}

export type Resuming = Telling & {
  /** `everything`: what `pause` without a topic has paused. `all`: each pause of the slot. */
  readonly what: { readonly topic: string } | 'everything' | 'all';
};

/**
 * A topic that is named must be paused: the name may be mistyped. Where nothing is paused, there is nothing to end.
 * @throws RequestInvalid for a topic that is not paused; RelayError POSTGRES_*
 */
export function resumeRelay({ what, ...telling }: Resuming): Promise<Obedience> {
  const { config, actor } = telling;
  const topic = what === 'all' ? null : what === 'everything' ? '' : what.topic;
  return tell(telling, async (pool) => {
    const revision = await change(pool, resume, [config.slot.name, topic, actor.person, actor.reason]);
    if (revision === undefined && typeof what === 'object')
      throw new RequestInvalid(`topic ${what.topic} is not paused in slot ${config.slot.name}`);
    return revision;
  });
}

export type Limiting = Telling & {
  /** 0: no limit. null: as the settings say. undefined: as it is. */
  readonly eventsPerSecond: number | null | undefined;
  readonly bytesPerSecond: number | null | undefined;
};

/** @throws RelayError POSTGRES_* */
export function limitRate({ eventsPerSecond, bytesPerSecond, ...telling }: Limiting): Promise<Obedience> {
  const { config, actor } = telling;
  return tell(telling, async (pool) => {
    const { limits } = await readControl(pool, config.slot.name);
    return change(pool, limit, [
      config.slot.name,
      eventsPerSecond === undefined ? limits.eventsPerSecond : eventsPerSecond,
      bytesPerSecond === undefined ? limits.bytesPerSecond : bytesPerSecond,
      actor.person,
      actor.reason,
    ]);
  });
}

/**
 * A mistyped name would pause nothing and look like a success. Loaded here: no other of these commands needs what it
 * stands on.
 */
async function askKafka(config: Config, topic: string): Promise<boolean | null> {
  const { hasTopic } = await import('./known-topic.ts');
  return hasTopic(config, topic);
}

function assertEventTopic({ topics, kafka }: Config, topic: string): void {
  if (!allowList(topics.allow, kafka.progressTopic).test(topic))
    throw new RequestInvalid(`no event goes to topic ${topic}: topics.allow does not list it`);
}

function tell(
  { config, waitMs, isDryRun }: Telling,
  store: (pool: pg.Pool) => Promise<number | undefined>,
): Promise<Obedience> {
  return withPool(config, async (pool) => {
    const revision = isDryRun ? undefined : await store(pool);
    const relays = await obeying(pool, config.slot.name, revision, waitMs);
    const control = await readControl(pool, config.slot.name);
    await assertRowsShown(pool, config, controlTables);
    const { maxEventsPerSecond, maxBytesPerSecond } = config.publish;
    const settings = { eventsPerSecond: maxEventsPerSecond, bytesPerSecond: maxBytesPerSecond };
    return {
      outcome: outcomeOf(relays, revision),
      relays: relays.map(({ instance }) => instance),
      control,
      limits: limitsOf(control, settings),
      absentTopic: null,
      unaskedTopic: null,
      droppedEnd: null,
    };
  });
}

function outcomeOf(relays: readonly KnownRelay[], revision: number | undefined): Obedience['outcome'] {
  if (revision === undefined) return 'unchanged';
  if (relays.length === 0) return 'nobody';
  return relays.every((relay) => obeys(relay, revision)) ? 'obeyed' : 'waiting';
}

const pollMs = 100;

/**
 * Waits until every relay that says that it streams says that it obeys. There may be two for a moment: one that does not
 * know yet that another one has taken over.
 */
async function obeying(
  pool: pg.Pool,
  slot: string,
  revision: number | undefined,
  waitMs: number,
): Promise<KnownRelay[]> {
  const untilMs = performance.now() + waitMs;
  for (;;) {
    const relays = (await readRelays(pool, slot)).filter(mayPublish);
    const isDone = revision === undefined || relays.every((relay) => obeys(relay, revision));
    if (isDone || performance.now() >= untilMs) return relays;
    await delay(pollMs);
  }
}

/** One that recovers publishes too. It obeys within a second; a relay that recovers by itself does not say so. */
const mayPublish = ({ state, isGone, facts }: KnownRelay) =>
  !isGone && (state === 'streaming' || state === 'draining' || facts.isRecovering);
const obeys = ({ revision }: KnownRelay, wanted: number) => revision !== null && revision >= wanted;

async function change(
  pool: pg.Pool,
  what: typeof pause,
  values: readonly unknown[],
): Promise<number | undefined> {
  const [row] = await query(pool, what, values);
  return row?.revision == null ? undefined : Number(row.revision);
}

type Change = { revision: string | null };

const pause = statement<Change>(
  'operations.pause',
  'pausing the relay',
  'select outbox.pause($1, $2, $3, $4, $5, $6) as revision',
);

const resume = statement<Change>(
  'operations.resume',
  'resuming the relay',
  'select outbox.resume($1, $2, $3, $4) as revision',
);

const limit = statement<Change>(
  'operations.limit_rate',
  'limiting the rate',
  'select outbox.limit_rate($1, $2, $3, $4, $5) as revision',
);
