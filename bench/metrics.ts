/**
 * What watching costs: the same backlog through the relay's own code with every metric on, and with no listener at all. CPU
 * is user and system time per event, so it holds on a busy machine too. What would else hide a few percent:
 *
 * - Each side is a process of its own, warm after a drain that does not count. In one process the side without listeners
 *   pays for call sites that the compiler has seen with them.
 * - A pair drains one backlog, each side with a slot of its own; who goes first alternates. The ratio is that of a pair, and
 *   the result the median of all pairs with the interval in which it lies with 95 % confidence.
 * - The garbage of the drain before is collected first. Every batch is full: how full it is by chance decides how often the
 *   relay talks to Kafka, which costs far more than any metric.
 * - A pair differs by more than what it is to show on a machine that does other things. So one more drain is profiled: what
 *   share of its time is below a listener, or in what counts for the metrics of the process. That leaves out only what
 *   the garbage of the listeners costs, and holds on a busy machine.
 * - Nobody scrapes during a drain of seconds. What a page costs is measured by itself: it comes every 15 s or so, however
 *   many events there are.
 *
 * Needs the servers of `npm run stack`, by its variables:
 * `node bench/metrics.ts [pairs] [events] [events a transaction]`
 */
import { type ChildProcess, fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { on, once } from 'node:events';
import { type Profiler, Session } from 'node:inspector/promises';
import pg from 'pg';
import { pino } from 'pino';
import { dropDatabase, urlOf, withClient } from '../harness/database.ts';
import { itemSchema } from '../harness/item-schema.ts';
import { createTopics, kafkaClient } from '../harness/kafka.ts';
import { median, medianInterval } from '../harness/percentile.ts';
import { registerSchema } from '../harness/registry.ts';
import { relayEnv } from '../harness/relay-process.ts';
import { type Config, loadConfig } from '../relay/config/config.ts';
import { boundHeapGrowth, nodeFlags } from '../relay/config/node-flags.ts';
import { ignoreNegativeTimeouts } from '../relay/connect/kafkajs-warnings.ts';
import { RegistryClient } from '../relay/encode/registry/registry-client.ts';
import { componentLogs } from '../relay/observe/component-logs.ts';
import { Health } from '../relay/observe/health.ts';
import { createObserver } from '../relay/observe/listeners.ts';
import { createMetrics } from '../relay/observe/metrics.ts';
import { composeListeners, type Listener } from '../relay/observe/observer.ts';
import { migrate } from '../relay/operations/migrate/migrate.ts';
import { Relay } from '../relay/relay.ts';

/** Events of a Postgres transaction: one is the most expensive to watch. */
const sizes = [1, 10, 200] as const;
const partitions = 12;
type Side = 'on' | 'off';
type Result = {
  readonly cpuMicros: number;
  readonly eventsPerSecond: number;
  readonly batches: number;
  readonly pageMs: number;
  /** Of the busy time, where the drain was profiled. */
  readonly listenersShare?: number;
};
type Task = {
  readonly databaseUrl: string;
  readonly topic: string;
  readonly events: number;
  readonly isProfiled?: boolean;
};

const { DATABASE_URL = '', KAFKA_BROKERS = '', SCHEMA_REGISTRY_URL = '' } = process.env;
const silent = pino({ level: 'silent' });

function configOf(databaseUrl: string, topic: string, side: Side): Config {
  const env = relayEnv(
    { databaseUrl, brokers: KAFKA_BROKERS.split(','), registryUrl: SCHEMA_REGISTRY_URL },
    {
      SLOT: `bench_${side}_${topic.slice(-8)}`,
      TOPICS_TEMPLATE: topic,
      TOPICS_ALLOW: topic,
      METRICS_CONSUMER_GROUPS: 'bench',
      PUBLISH_LINGER_MS: 100,
    },
  );
  return loadConfig({ env }).config;
}

/**
 * Runs a relay until so many events are committed. Not until it has reached the end of the WAL: that takes a heartbeat of its
 * own, up to ten seconds later, in which only the side with metrics has something to do.
 * @param events none: until it streams
 * @returns what it took from the begin of the session
 */
async function drain(config: Config, side: Side, events: number): Promise<Result> {
  const ending = new AbortController();
  const begun = { cpu: process.cpuUsage(), ms: 0 };
  let batches = 0;
  let left = events;
  globalThis.gc!();
  let result: Omit<Result, 'pageMs'> | undefined;
  const finish = () => {
    if (result !== undefined) return;
    const { user, system } = process.cpuUsage(begun.cpu);
    const elapsedMs = performance.now() - begun.ms;
    result = { cpuMicros: (user + system) / events, eventsPerSecond: (events * 1_000) / elapsedMs, batches };
    ending.abort();
  };
  const metrics = createMetrics({ ...config.metrics, slot: config.slot.name, process: side === 'on' });
  const watch: Listener = {
    name: 'bench',
    hears: {
      sessionBegun: () => {
        begun.cpu = process.cpuUsage();
        begun.ms = performance.now();
      },
      entered: ({ state }) => {
        if (events === 0 && state === 'streaming') finish();
      },
      committed: (batch) => {
        batches += 1;
        left -= batch.events;
        if (events > 0 && left <= 0) finish();
      },
    },
  };
  const outputs = { logs: componentLogs(silent), metrics, health: new Health({ notReadyAfterMs: 1_000 }) };
  const observer = side === 'on' ? createObserver(outputs, [watch]) : composeListeners([watch], () => {});
  const registry = new RegistryClient(config.registry);
  const relay = new Relay({ config, instance: side, log: silent, observer, registry });
  const sampling = setInterval(() => relay.sample(), 1_000);
  await relay.run(ending.signal);
  clearInterval(sampling);
  const beforePage = process.cpuUsage();
  await metrics.registry.metrics();
  const page = process.cpuUsage(beforePage);
  return { ...result!, pageMs: (page.user + page.system) / 1_000 };
}

const insert = `do $$ begin for i in 1..$EVENTS / $SIZE loop
  insert into outbox.event (aggregatetype, aggregateid, type, payload)
  select 'item', 'key-' || (random() * 1000)::int, 'test.ItemMoved',
         jsonb_build_object('key', 'k', 'seq', n, 'note', repeat('x', 150)) from generate_series(1, $SIZE) n;
  commit; end loop; end $$`;

/** A process that drains as one side, again and again. */
class Drainer {
  readonly #child: ChildProcess;
  readonly #ended: Promise<never>;

  constructor(side: Side) {
    const execArgv = [...nodeFlags, '--expose-gc'];
    this.#child = fork(import.meta.filename, ['--side', side], { execArgv });
    this.#ended = once(this.#child, 'exit').then(() =>
      Promise.reject(new Error('a drain ended the process')),
    );
    this.#ended.catch(() => {}); // also when it is ended below
  }

  async drain(task: Task): Promise<Result> {
    this.#child.send(task);
    const [result] = await Promise.race([once(this.#child, 'message'), this.#ended]);
    return result as Result;
  }

  end(): void {
    this.#child.kill();
  }
}

async function serve(side: Side): Promise<void> {
  ignoreNegativeTimeouts();
  boundHeapGrowth();
  for await (const [task] of on(process, 'message') as AsyncIterable<[Task]>) {
    const config = configOf(task.databaseUrl, task.topic, side);
    if (task.isProfiled !== true) process.send!(await drain(config, side, task.events));
    else process.send!(await profiled(() => drain(config, side, task.events)));
  }
}

async function profiled(work: () => Promise<Result>): Promise<Result> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: 100 });
  await session.post('Profiler.start');
  const result = await work();
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();
  return { ...result, listenersShare: listenersShareOf(profile) };
}

const isWatching = ({ callFrame: { url, functionName } }: Profiler.ProfileNode): boolean =>
  /\/relay\/observe\/|\/node_modules\/prom-client\//.test(url) ||
  (url === 'node:internal/perf/observe' && functionName === 'observerCallback');

function listenersShareOf({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): number {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const watching = new Set<number>();
  const mark = (id: number, isBelow: boolean): void => {
    const node = byId.get(id)!;
    const isPart = isBelow || isWatching(node);
    if (isPart) watching.add(id);
    for (const child of node.children ?? []) mark(child, isPart);
  };
  mark(nodes[0]!.id, false);
  let [busy, watched] = [0, 0];
  for (const [index, id] of samples.entries()) {
    if (['(idle)', '(program)'].includes(byId.get(id)!.callFrame.functionName)) continue;
    busy += timeDeltas[index]!;
    if (watching.has(id)) watched += timeDeltas[index]!;
  }
  return watched / busy;
}

async function compare(size: number, pairs: number, events: number): Promise<void> {
  const id = randomUUID().slice(0, 8);
  const database = `bench_metrics_${id}`;
  const topic = `bench.metrics.${id}`;
  await withClient(DATABASE_URL, (client) => client.query(`create database ${database}`));
  const databaseUrl = urlOf(DATABASE_URL, database);
  await migrate({ databaseUrl });
  await createTopics(kafkaClient(KAFKA_BROKERS.split(',')), [{ topic, numPartitions: partitions }]);
  await registerSchema(SCHEMA_REGISTRY_URL, `${topic}-test.ItemMoved`, itemSchema);
  const pool = new pg.Pool({ connectionString: databaseUrl });
  const drainers = { on: new Drainer('on'), off: new Drainer('off') };
  const results: Record<Side, Result[]> = { on: [], off: [] };
  // The first round makes the slots, and the second one warms the code up.
  const write = async () => {
    const text = insert.replaceAll('$EVENTS', String(events)).replaceAll('$SIZE', String(size));
    await pool.query(text);
    await pool.query('checkpoint');
  };
  for (let round = -2; round < pairs; round++) {
    if (round > -2) await write();
    const sides: Side[] = round % 2 === 0 ? ['on', 'off'] : ['off', 'on'];
    for (const side of sides) {
      const result = await drainers[side].drain({ databaseUrl, topic, events: round === -2 ? 0 : events });
      if (round >= 0) results[side].push(result);
    }
  }
  const shares: number[] = [];
  for (let round = 0; round < 3; round++) {
    await write();
    const { listenersShare } = await drainers.on.drain({ databaseUrl, topic, events, isProfiled: true });
    shares.push(listenersShare!);
  }
  for (const drainer of Object.values(drainers)) drainer.end();
  await pool.end();
  await dropDatabase(DATABASE_URL, database);
  const compared = (pick: (result: Result) => number) => {
    const ratios = results.on.map((on, pair) => pick(on) / pick(results.off[pair]!));
    const [least, most] = medianInterval(ratios);
    return `${percent(median(ratios))} (95 %: ${percent(least)} to ${percent(most)})`;
  };
  const medians = (pick: (result: Result) => number, digits: number) =>
    (['on', 'off'] as const)
      .map((side) => `${median(results[side].map(pick)).toFixed(digits)} ${side}`)
      .join(', ');
  console.log(
    `${size} events a transaction, ${pairs} pairs of ${events} events\n` +
      `  CPU per event   ${compared(({ cpuMicros }) => cpuMicros)}; µs: ${medians(({ cpuMicros }) => cpuMicros, 2)}\n` +
      `  events/s        ${compared(({ eventsPerSecond }) => eventsPerSecond)}; ${medians(({ eventsPerSecond }) => eventsPerSecond, 0)}\n` +
      `  below listeners ${percent(1 + median(shares))} of the CPU time, by a profile (${shares.map((share) => percent(1 + share)).join(', ')})\n` +
      `  a page          ${median(results.on.map(({ pageMs }) => pageMs)).toFixed(1)} ms of CPU\n` +
      `  transactions    ${compared(({ batches }) => batches)}; ${medians(({ batches }) => batches, 0)}`,
  );
}

const percent = (ratio: number) => `${ratio < 1 ? '' : '+'}${((ratio - 1) * 100).toFixed(1)} %`;

const [first = '20', second = '100000', third] = process.argv.slice(2);
if (first === '--side') await serve(second as Side);
else {
  const chosen = third === undefined ? sizes : [Number(third)];
  for (const size of chosen) await compare(size, Number(first), Number(second));
  process.exit(0);
}
