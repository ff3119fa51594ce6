/**
 * What watching costs: the same backlog through the relay's own code with every metric on, and with no listener at all, in
 * one process, taking turns. CPU is user and system time per event, so it holds on a busy machine too.
 *
 * Needs the servers of `npm run stack`, by its variables:
 * `node bench/metrics.ts [rounds] [events]`
 */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { pino } from 'pino';
import { dropDatabase, urlOf, withClient } from '../harness/database.ts';
import { itemSchema } from '../harness/item-schema.ts';
import { createTopics, kafkaClient } from '../harness/kafka.ts';
import { median, quantile } from '../harness/percentile.ts';
import { registerSchema } from '../harness/registry.ts';
import { relayEnv } from '../harness/relay-process.ts';
import { type Config, loadConfig } from '../relay/config/config.ts';
import { RegistryClient } from '../relay/encode/registry/registry-client.ts';
import { parseLsn } from '../relay/model/position.ts';
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
/** A real one is scraped every 15 s; a round takes a few seconds. */
const scrapeMs = 1_000;

type Side = 'on' | 'off';
type Result = { readonly cpuMicros: number; readonly eventsPerSecond: number };

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
    },
  );
  return loadConfig({ env }).config;
}

/** Runs a relay until all up to `untilLsn` is acknowledged. @returns what it took from the begin of the session */
async function drain(config: Config, side: Side, untilLsn: bigint, events: number): Promise<Result> {
  const ending = new AbortController();
  const begun = { cpu: process.cpuUsage(), ms: 0 };
  let result: Result | undefined;
  const finish = () => {
    if (result !== undefined) return;
    const { user, system } = process.cpuUsage(begun.cpu);
    const elapsedMs = performance.now() - begun.ms;
    result = { cpuMicros: (user + system) / events, eventsPerSecond: (events * 1_000) / elapsedMs };
    ending.abort();
  };
  const watch: Listener = {
    name: 'bench',
    hears: {
      sessionBegun: () => {
        begun.cpu = process.cpuUsage();
        begun.ms = performance.now();
      },
      acknowledged: ({ endLsn }) => {
        if (endLsn >= untilLsn) finish();
      },
    },
  };
  const metrics = createMetrics({ ...config.metrics, slot: config.slot.name, process: side === 'on' });
  const outputs = { logs: componentLogs(silent), metrics, health: new Health({ notReadyAfterMs: 1_000 }) };
  const observer = side === 'on' ? createObserver(outputs, [watch]) : composeListeners([watch], () => {});
  const registry = new RegistryClient(config.registry);
  const relay = new Relay({ config, instance: side, log: silent, observer, registry });
  const sampling = setInterval(() => relay.sample(), 1_000);
  const scraping = setInterval(() => side === 'on' && void metrics.registry.metrics(), scrapeMs);
  await relay.run(ending.signal);
  clearInterval(sampling);
  clearInterval(scraping);
  return result!;
}

const insert = `do $$ begin for i in 1..$EVENTS / $SIZE loop
  insert into outbox.event (aggregatetype, aggregateid, type, payload)
  select 'item', 'key-' || (random() * 1000)::int, 'test.ItemMoved',
         jsonb_build_object('key', 'k', 'seq', n, 'note', repeat('x', 150)) from generate_series(1, $SIZE) n;
  commit; end loop; end $$`;

async function endOfWal(pool: pg.Pool): Promise<bigint> {
  const { rows } = await pool.query<{ lsn: string }>('select pg_current_wal_insert_lsn() as lsn');
  return parseLsn(rows[0]!.lsn);
}

async function compare(size: number, rounds: number, events: number): Promise<void> {
  const id = randomUUID().slice(0, 8);
  const database = `bench_metrics_${id}`;
  const topic = `bench.metrics.${id}`;
  await withClient(DATABASE_URL, (client) => client.query(`create database ${database}`));
  const databaseUrl = urlOf(DATABASE_URL, database);
  await migrate({ databaseUrl });
  await createTopics(kafkaClient(KAFKA_BROKERS.split(',')), [{ topic, numPartitions: partitions }]);
  await registerSchema(SCHEMA_REGISTRY_URL, `${topic}-test.ItemMoved`, itemSchema);
  const pool = new pg.Pool({ connectionString: databaseUrl });
  const configs = { on: configOf(databaseUrl, topic, 'on'), off: configOf(databaseUrl, topic, 'off') };
  const ratios: number[] = [];
  const cpu: Record<Side, number[]> = { on: [], off: [] };
  const speed: Record<Side, number[]> = { on: [], off: [] };
  // The first round makes the slots and warms the code up.
  for (let round = 0; round <= rounds; round++) {
    if (round > 0) {
      const text = insert.replaceAll('$EVENTS', String(events)).replaceAll('$SIZE', String(size));
      await pool.query(text);
    }
    const untilLsn = await endOfWal(pool);
    const sides: Side[] = round % 2 === 0 ? ['on', 'off'] : ['off', 'on'];
    const of: Partial<Record<Side, Result>> = {};
    for (const side of sides) {
      if (round === 0) await pool.query(`select pg_logical_emit_message(true, 'bench', 'begin')`);
      of[side] = await drain(configs[side], side, untilLsn, events);
    }
    if (round === 0) continue;
    ratios.push(of.on!.cpuMicros / of.off!.cpuMicros);
    for (const side of ['on', 'off'] as const) {
      cpu[side].push(of[side]!.cpuMicros);
      speed[side].push(of[side]!.eventsPerSecond);
    }
  }
  await pool.end();
  await dropDatabase(DATABASE_URL, database);
  const percent = (ratio: number) => `${((ratio - 1) * 100).toFixed(1)} %`;
  console.log(
    `${size} events a transaction: CPU per event ${median(cpu.on).toFixed(2)} µs on, ${median(cpu.off).toFixed(2)} µs off: ` +
      `${percent(median(ratios))} more (quartiles ${percent(quantile(ratios, 0.25))} to ${percent(quantile(ratios, 0.75))}), ` +
      `${Math.round(median(speed.on))} and ${Math.round(median(speed.off))} events/s, ${ratios.length} pairs`,
  );
}

const [rounds = '8', events = '60000'] = process.argv.slice(2);
for (const size of sizes) await compare(size, Number(rounds), Number(events));
process.exit(0);
