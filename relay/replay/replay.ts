/**
 * Publishes events of the outbox table again, or those for the first time that were written before the slot existed. The
 * steps, and what a death after each leaves behind:
 *
 * 1. Count what is in the range, and refuse what a person must decide first. Nothing changes.
 * 2. Record the replay in Postgres: its range, and the facts that fix its rows. A death after this leaves a replay that has
 *    published nothing, which `--resume` begins.
 * 3. Fence every earlier process of the replay, claim, and read its progress in Kafka.
 * 4. List the rows after that progress in order, and publish them in Kafka transactions that also hold the progress.
 *    Whatever dies here, the next process continues from the last transaction that is visible.
 * 5. The last transaction says that the replay is done; then Postgres says so too.
 *
 * It neither holds the slot nor fences the relay, which goes on streaming.
 */
import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import { listTopics } from '../audit/read-topics.ts';
import type { Config } from '../config/config.ts';
import { allowList } from '../config/topic-patterns.ts';
import { backoffMs, pause } from '../connect/backoff.ts';
import { openClient } from '../connect/postgres/client.ts';
import { assertRowsShown } from '../connect/postgres/rows-shown.ts';
import { readOnly } from '../connect/postgres/transaction.ts';
import { type Servers, withServers } from '../connect/servers.ts';
import { asRelayError, RelayError, RequestInvalid } from '../errors.ts';
import { beginReplay, noteReplay, readReplays, resumeReplay, type StoredReplay } from '../ledger/replays.ts';
import { ledgerTables } from '../ledger/tables.ts';
import { failpoint } from '../observe/failpoints.ts';
import { instanceName } from '../session/instance.ts';
import { type Plan, type PlanOptions, plan } from './plan.ts';
import type { Absent, Facts } from './range.ts';
import {
  type ReplayStage,
  runSession,
  type SessionEnd,
  type SessionOptions,
  scanTimeoutMs,
} from './session.ts';

type Running = {
  readonly config: Config;
  readonly log: Logger;
  /** Who does it, and why; both go into the audit trail. */
  readonly actor: { readonly person: string; readonly reason: string | null };
  readonly refused: 'stop' | 'skip';
  /** null for as fast as it goes. */
  readonly eventsPerSecond: number | null;
  /** Ends the replay after the present batch; it can be continued. */
  readonly signal: AbortSignal;
  readonly onStage: (stage: ReplayStage) => void;
};

export type ReplayOptions = Running & Omit<PlanOptions, 'config'> & { readonly isDryRun: boolean };

export type ResumeOptions = Running & { readonly id: string };

export type ReplayResult = {
  /**
   * - `dry-run`: nothing was changed; nor with `refused`, where a person has to decide first, and `empty`.
   * - `done`, or `stopped` with `message`; a replay that stopped can be continued.
   */
  readonly outcome: 'dry-run' | 'refused' | 'empty' | 'done' | 'stopped';
  readonly plan: Plan | null;
  readonly replay: StoredReplay | null;
};

/** What the range lacks, as far as that is known: rows that are gone from the table. */
export function absentOf({ plan, replay }: Pick<ReplayResult, 'plan' | 'replay'>): Absent | null {
  return (plan?.facts ?? (replay?.facts as Facts | undefined))?.absent ?? null;
}

/** @throws RequestInvalid; RelayError as the servers answer */
export function replay(options: ReplayOptions): Promise<ReplayResult> {
  return withServers(options, async (means) => {
    await assertTarget(means, options.topic);
    options.onStage({ stage: 'counting', done: 0 });
    const planned = await planNow(means, options);
    const result = { plan: planned, replay: null };
    if (options.isDryRun) return { ...result, outcome: 'dry-run' };
    if (planned.events === 0) return { ...result, outcome: 'empty' };
    if (planned.doubts.length > 0) return { ...result, outcome: 'refused' };
    const id = newId();
    const { range, topic, isFirst, actor, config } = options;
    const slot = config.slot.name;
    const created = { id, slot, range, facts: planned.facts, topic, isFirst, total: planned.events };
    if (!(await beginReplay(means.pool, created, actor)))
      throw new RequestInvalid(
        'another replay of events from before the first start began at the same time; run this again',
      );
    await failpoint('REPLAY_RECORDED');
    return { ...(await run(means, options, id)), plan: planned };
  });
}

/** Continues a replay, wherever it ended. */
export function resume(options: ResumeOptions): Promise<ReplayResult> {
  return withServers(options, async (means): Promise<ReplayResult> => {
    const stored = await find(means, options.id);
    if (stored.state === 'done') return { outcome: 'done', plan: null, replay: stored };
    await assertTarget(means, stored.topic);
    await resumeReplay(means.pool, options.id, options.actor);
    return { ...(await run(means, options, options.id)), plan: null };
  });
}

async function planNow(means: Servers, options: ReplayOptions): Promise<Plan> {
  const { config, pool } = means;
  const client = await openClient(config, 'outbox-relay replay', scanTimeoutMs);
  try {
    return await readOnly(client, 'counting the events', 'repeatable read', async () => {
      const { plan: planned } = await plan(means, client, options);
      // The transaction that read the tables is still open, so this is about what it saw.
      await assertRowsShown(pool, config, [config.outbox.table, ...ledgerTables, 'outbox.replay']);
      return planned;
    });
  } finally {
    await client.end().catch(() => {});
  }
}

/** Failures in a row without any progress, after which a person should look. */
const attemptsMax = 8;

async function run(means: Servers, options: Running, id: string): Promise<Omit<ReplayResult, 'plan'>> {
  const { config } = means;
  const { person } = options.actor;
  const instance = instanceName('replay');
  let published = -1;
  for (let attempt = 0; ; attempt++) {
    const stored = await find(means, id);
    if (stored.published > published) [attempt, published] = [0, stored.published];
    try {
      const { refused, eventsPerSecond, signal, onStage } = options;
      const own = { replay: stored, person, instance };
      const session: SessionOptions = { ...own, refused, eventsPerSecond, signal, onStage };
      return await end(means, stored, await runSession(means, session), person);
    } catch (error) {
      const failure = asRelayError(error);
      if (!mayPass(failure) || attempt >= attemptsMax || options.signal.aborted) {
        if (failure.code === 'PRODUCER_FENCED') throw fenced(failure, id);
        await noteFailure(means, stored, failure, person);
        throw failure;
      }
      options.log.warn({ err: failure, replay: id }, 'the replay failed and tries again');
      await pause(backoffMs(attempt, config.retry), options.signal);
    }
  }
}

/** The failure may be that of Postgres, and then this fails too; the person sees the first one. */
async function noteFailure(
  { pool }: Servers,
  stored: StoredReplay,
  { code, message }: RelayError,
  person: string,
): Promise<void> {
  await noteReplay(pool, stored.id, 'stopped', stored, `${code}: ${message}`, person).catch(() => {});
}

/** Another process continues it: the replay itself has not stopped. */
function fenced(cause: RelayError, id: string): RelayError {
  return new RelayError(
    'PRODUCER_FENCED',
    `another process continues replay ${id}; \`outbox-relay replay show ${id}\` says how far it is`,
    { cause },
  );
}

const mayPass = (failure: RelayError): boolean =>
  failure.class === 'retry' && failure.code !== 'PRODUCER_FENCED';

async function end(
  means: Servers,
  stored: StoredReplay,
  { progress, ended }: SessionEnd,
  person: string,
): Promise<Omit<ReplayResult, 'plan'>> {
  const { pool } = means;
  const isDone = ended.outcome === 'done';
  const left = stored.total - progress.published - progress.refused;
  // Rows that were removed before they were listed were never seen.
  const counts = { ...progress, gone: isDone ? Math.max(progress.gone, left) : progress.gone };
  const message =
    ended.outcome === 'refused'
      ? `event ${ended.refusal.id} cannot be published: ${ended.refusal.code}: ${ended.refusal.message}`
      : isDone
        ? null
        : 'interrupted';
  const state = isDone ? 'done' : 'stopped';
  await noteReplay(pool, stored.id, state, counts, message, person);
  return { outcome: state, replay: await find(means, stored.id) };
}

async function find({ pool, config }: Pick<Servers, 'pool' | 'config'>, id: string): Promise<StoredReplay> {
  const [stored] = await readReplays(pool, config.slot.name, id);
  if (stored === undefined)
    throw new RequestInvalid(
      `slot ${config.slot.name} has no replay ${id}: \`outbox-relay replay list\` shows them`,
    );
  return stored;
}

/** @throws RequestInvalid for a topic that is not there: a mistyped name would create one */
async function assertTarget({ config, admin }: Servers, topic: string | null): Promise<void> {
  if (topic === null) return;
  if (!allowList([topic.replaceAll('*', '')], config.kafka.progressTopic).test(topic))
    throw new RequestInvalid(`no events may go to topic ${topic}`);
  if (!(await listTopics(admin)).includes(topic))
    throw new RequestInvalid(`topic ${topic} does not exist: create it first`);
}

/** Sorts by the day, and is short enough to type. */
function newId(): string {
  return `${new Date().toISOString().slice(0, 10).replaceAll('-', '')}-${randomBytes(4).toString('hex')}`;
}
