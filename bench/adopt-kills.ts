/**
 * `npm run adopt:kills`: take-overs from a real Debezium that is killed, by an `adopt debezium` that is killed, while
 * writers go on. In each run:
 *
 * 1. writers commit events of their own keys, some of which they delete in the same transaction; Debezium streams;
 * 2. its worker is killed at a random moment, in some runs several times, so that it repeats events;
 * 3. `adopt debezium` is killed at random moments, then ends; a relay goes on; the writers stop;
 * 4. an independent consumer reads the topic: every event is there, none that was rolled back; none has more records than
 *    before the take-over, or one; the events of a key come in order; and `verify` finds nothing.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import pg from 'pg';
import { integer } from '../harness/arguments.ts';
import { KeyOrder } from '../harness/deliveries.ts';
import { itemSchema } from '../harness/item-schema.ts';
import { createTopics, withAdmin } from '../harness/kafka.ts';
import { Random } from '../harness/random.ts';
import { registerSchema } from '../harness/registry.ts';
import {
  type CommandResult,
  type Environment,
  RelayProcess,
  relayEnv,
  runCommand,
} from '../harness/relay-process.ts';
import { TopicReader } from '../harness/topic-reader.ts';
import { nodeFlags } from '../relay/config/node-flags.ts';
import { ignoreNegativeTimeouts } from '../relay/connect/kafkajs-warnings.ts';
import { Connect, type ConnectorConfig } from './debezium/connect.ts';
import { BenchWorld } from './world.ts';

const help = `
Starts Postgres, Kafka, a registry and, in each run, Kafka Connect with Debezium. A run takes about a minute. Every second
run has exactly-once delivery of Kafka Connect on. Exit codes: 0 nothing lost, nothing doubled, order kept; 1 otherwise.`;

const { runs, seed } = new Command('npm run adopt:kills --')
  .option('--runs <number>', 'take-overs', integer(1, 1_000), 10)
  .option('--seed <number>', 'of the random moments', integer(0, 2 ** 31), Date.now() % 100_000)
  .addHelpText('after', help)
  .parse()
  .opts<{ runs: number; seed: number }>();

const stallMs = 60_000;
const partitions = 3;
const writers = 3;
/** Between the transactions of a writer, on average: some hundred events a second in all would outgrow a slow machine. */
const pauseMs = 50;
const mainFile = path.join(import.meta.dirname, '..', 'relay', 'main.ts');

type Written = { readonly key: string; readonly seq: number };

/** One of the writers: keys of its own, whose events it numbers. */
class Writer {
  readonly committed = new Map<string, Written>();
  /** In the transaction that wrote them. */
  readonly deleted = new Set<string>();
  readonly #client: pg.Client;
  readonly #random: Random;
  readonly #type: string;
  readonly #name: number;
  readonly #loop: Promise<void>;
  #isStopped = false;
  #seq = 0;

  constructor(client: pg.Client, random: Random, type: string, name: number) {
    this.#client = client;
    this.#random = random;
    this.#type = type;
    this.#name = name;
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#loop;
    await this.#client.end();
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      await this.#transaction();
      await sleep(this.#random.around(pauseMs));
    }
  }

  async #transaction(): Promise<void> {
    const random = this.#random;
    const items = Array.from({ length: random.integer(1, 4) }, () => ({
      id: random.uuid(),
      key: `w${this.#name}-${random.integer(0, 4)}`,
      seq: this.#seq++,
    }));
    await this.#client.query('begin');
    await this.#client.query(
      `insert into outbox.event (id, aggregatetype, aggregateid, type, payload)
       select (item ->> 'id')::uuid, $2, item ->> 'key', 'test.ItemMoved', (item::jsonb - 'id')::json
         from json_array_elements($1::json) item`,
      [JSON.stringify(items), this.#type],
    );
    // As the documentation of the event router advises.
    const isDeleted = random.chance(0.3);
    if (isDeleted)
      await this.#client.query('delete from outbox.event where id = any ($1)', [items.map(({ id }) => id)]);
    if (random.chance(0.1)) {
      await this.#client.query('rollback');
      return;
    }
    await this.#client.query('commit');
    for (const { id, key, seq } of items) {
      this.committed.set(id, { key, seq });
      if (isDeleted) this.deleted.add(id);
    }
  }
}

class Take {
  readonly #world: BenchWorld;
  readonly #random: Random;
  readonly #number: number;
  readonly #isExactlyOnce: boolean;
  readonly #name: string;
  readonly #type: string;
  readonly #topic: string;
  readonly #env: Environment;

  constructor(world: BenchWorld, random: Random, number: number) {
    this.#world = world;
    this.#random = random;
    this.#number = number;
    this.#isExactlyOnce = number % 2 === 0;
    this.#name = `take${seed}_${number}`;
    this.#type = `take${number}`;
    this.#topic = `outbox.event.${this.#type}`;
    this.#env = relayEnv(world.stack, {
      HTTP_PORT: 0,
      SLOT: `relay_${this.#name}`,
      KAFKA_PROGRESS_TOPIC: `progress-${this.#name}`,
      // `verify` is not to look for the rows that other runs deleted.
      TOPICS_ALLOW: this.#topic,
      PUBLISH_BATCH_EVENTS: 50,
    });
  }

  /** @returns what is wrong */
  async run(): Promise<string[]> {
    const { stack, database, kafka } = this.#world;
    await createTopics(kafka, [{ topic: this.#topic, numPartitions: partitions }]);
    await registerSchema(stack.registryUrl, `${this.#topic}-test.ItemMoved`, itemSchema);
    await database.query(
      `create publication ${this.#name} for table outbox.event with (publish = 'insert', publish_via_partition_root)`,
    );
    await database.query(`select pg_create_logical_replication_slot('${this.#name}', 'pgoutput')`);
    const own = await Promise.all(
      Array.from({ length: writers }, async (_, writer) => {
        const client = new pg.Client({ connectionString: stack.databaseUrl });
        await client.connect();
        return new Writer(client, new Random(seed * 1_000 + this.#number * 10 + writer), this.#type, writer);
      }),
    );
    const kills = await this.#stream();
    const before = await this.#read();
    const { deaths, report } = await this.#adopt();
    const relay = new RelayProcess({ env: this.#env });
    try {
      await relay.streaming();
      await sleep(this.#random.between(200, 1_000));
      await Promise.all(own.map((writer) => writer.stop()));
      const committed = new Map(own.flatMap(({ committed }) => [...committed]));
      const after = await this.#untilAll(committed);
      const faults = this.#judge(committed, before, after);
      const verified = await runCommand(this.#env, 'verify', '--json', '--max-ids', '1000000');
      faults.push(...faultsOf(verified, new Set(own.flatMap(({ deleted }) => [...deleted]))));
      const doubled = [...before.values()].filter(({ length }) => length > 1).length;
      print(
        `run ${this.#number}, exactly-once ${this.#isExactlyOnce ? 'on' : 'off'}: ${committed.size} events, ${before.size} published by Debezium (${doubled} twice or more, ${kills} kills), adopt killed ${deaths} times, ${report}; ${faults.length === 0 ? 'ok' : 'FAULTS'}`,
      );
      return faults;
    } finally {
      await relay.stop();
      await this.#tidy();
    }
  }

  /** Has Debezium stream, and kills it. @returns how often */
  async #stream(): Promise<number> {
    const kills = this.#random.integer(1, 2);
    for (let kill = 0; kill < kills; kill++) {
      const connect = await Connect.start(this.#world, note, {
        group: `connect-${this.#name}`,
        isExactlyOnce: this.#isExactlyOnce,
        jvm: ['-Xms384m', '-Xmx384m'],
        flushMs: 1_500,
      });
      await connect.create(this.#name, this.#connector());
      while (!(await this.#world.isSlotActive(this.#name))) {
        await connect.assertRunning(this.#name);
        await sleep(20);
      }
      await sleep(this.#random.between(500, 6_000));
      await connect.kill();
      note('Debezium is killed');
    }
    while (await this.#world.isSlotActive(this.#name)) await sleep(20);
    return kills;
  }

  #connector(): ConnectorConfig {
    const { hostname, port, username, password, pathname } = new URL(this.#world.stack.databaseUrl);
    return {
      'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
      'tasks.max': 1,
      'database.hostname': hostname,
      'database.port': port,
      'database.user': username,
      'database.password': decodeURIComponent(password),
      'database.dbname': pathname.slice(1),
      'topic.prefix': this.#name,
      'plugin.name': 'pgoutput',
      'slot.name': this.#name,
      'publication.name': this.#name,
      'publication.autocreate.mode': 'disabled',
      'snapshot.mode': 'no_data',
      'table.include.list': 'outbox.event',
      'tombstones.on.delete': false,
      'poll.interval.ms': 20,
      transforms: 'outbox',
      'transforms.outbox.type': 'io.debezium.transforms.outbox.EventRouter',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: Debezium's own placeholder
      'transforms.outbox.route.topic.replacement': 'outbox.event.${routedByValue}',
      'transforms.outbox.table.expand.json.payload': false,
    };
  }

  /** Kills `adopt debezium` at random moments, then lets it end. */
  async #adopt(): Promise<{ readonly deaths: number; readonly report: string }> {
    const args = [
      'adopt',
      'debezium',
      '--connector-slot',
      this.#name,
      '--connector-publication',
      this.#name,
      '--json',
    ];
    const wanted = this.#random.integer(1, 4);
    for (let deaths = 0; ; ) {
      const child = spawn(process.execPath, [...nodeFlags, mainFile, ...args], { env: this.#env });
      const timer =
        deaths < wanted
          ? setTimeout(() => child.kill('SIGKILL'), this.#random.between(300, 5_000))
          : undefined;
      const [stdout, stderr] = await Promise.all([
        text(child.stdout),
        text(child.stderr),
        once(child, 'close'),
      ]);
      clearTimeout(timer);
      note(`adopt debezium ended with ${child.exitCode ?? 'SIGKILL'}`);
      if (child.exitCode === null) deaths += 1;
      else if (child.exitCode === 0) return { deaths, report: summary(stdout) };
      else if (child.exitCode === 64 && stderr.includes('a take-over has ended'))
        return { deaths, report: 'killed after its last commit' };
      // Postgres or Kafka has not noticed yet that the one before has died.
      else if (child.exitCode !== 69)
        throw new Error(`adopt ended with ${child.exitCode}: ${stdout}${stderr}`);
      else await sleep(100);
    }
  }

  /** Until all is there, or nothing more has come for a minute. */
  async #untilAll(committed: ReadonlyMap<string, Written>): Promise<ReadonlyMap<string, Place[]>> {
    let [size, sinceMs] = [0, performance.now()];
    for (;;) {
      const records = await this.#read();
      if (records.size > size) [size, sinceMs] = [records.size, performance.now()];
      const isComplete = [...committed.keys()].every((id) => records.has(id));
      if (isComplete || performance.now() - sinceMs > stallMs) return records;
      await sleep(500);
    }
  }

  /** The records of each id. */
  async #read(): Promise<ReadonlyMap<string, Place[]>> {
    const { kafka } = this.#world;
    const records = new Map<string, Place[]>();
    const offsets = await withAdmin(kafka, (admin) => admin.fetchTopicOffsets(this.#topic));
    const ends = offsets.map(({ partition, high }) => ({ topic: this.#topic, partition, end: BigInt(high) }));
    const reader = new TopicReader({
      kafka,
      topics: [this.#topic],
      onRecord: (_topic, partition, { headers, offset, key }) => {
        const id = String(headers?.id);
        const place = { partition, offset: BigInt(offset), key: String(key) };
        records.set(id, [...(records.get(id) ?? []), place]);
      },
    });
    try {
      await reader.start();
      await reader.readTo(ends, 60_000);
    } finally {
      await reader.stop();
    }
    return records;
  }

  #judge(
    committed: ReadonlyMap<string, Written>,
    before: ReadonlyMap<string, Place[]>,
    after: ReadonlyMap<string, Place[]>,
  ): string[] {
    const faults: string[] = [];
    for (const id of committed.keys()) if (!after.has(id)) faults.push(`lost: ${id}`);
    for (const [id, places] of after) {
      if (!committed.has(id)) faults.push(`never committed: ${id}`);
      const most = Math.max(1, before.get(id)?.length ?? 0);
      if (places.length > most) faults.push(`doubled by the take-over: ${id}`);
    }
    // A record that Debezium repeated stands behind later ones: the first of each event counts.
    const firsts = [...after].flatMap(([id, places]) => {
      const event = committed.get(id);
      return event === undefined ? [] : [{ ...event, id, ...places[0]! }];
    });
    firsts.sort((a, b) => a.partition - b.partition || Number(a.offset - b.offset));
    const order = new KeyOrder<number>();
    for (const { key, seq, id } of firsts)
      if (!order.follows(key, seq)) faults.push(`out of order: ${id} of ${key}`);
    const partitionsOf = Map.groupBy(firsts, ({ key }) => key);
    for (const [key, events] of partitionsOf)
      if (new Set(events.map(({ partition }) => partition)).size > 1)
        faults.push(`in two partitions: ${key}`);
    return faults;
  }

  async #tidy(): Promise<void> {
    const { database } = this.#world;
    await database.query(
      'select pg_drop_replication_slot(slot_name) from pg_replication_slots where not active and database = current_database()',
    );
    await database.query(`drop publication ${this.#name}`);
  }
}

type Place = { readonly partition: number; readonly offset: bigint; readonly key: string };

/** `verify` takes a record for leaked whose row the application deleted while the table keeps older ones. */
function faultsOf({ stdout, stderr }: CommandResult, deleted: ReadonlySet<string>): string[] {
  if (stdout === '') return [`verify: ${stderr}`];
  const { findings } = JSON.parse(stdout) as {
    findings: Record<string, { count: number; first: unknown[] }>;
  };
  return Object.entries(findings).flatMap(([name, { count, first }]) => {
    const excused = name === 'leaked' ? first.filter((id) => deleted.has(String(id))).length : 0;
    return count > excused ? [`verify: ${count - excused} ${name}`] : [];
  });
}

function summary(stdout: string): string {
  const { tail, published } = JSON.parse(stdout) as {
    tail: { events: number; published: number };
    published: number;
  };
  return `tail of ${tail.events}, ${tail.published} of it published before, ${published} by the last run`;
}

/** What happens within a run. */
function note(line: string): void {
  process.stderr.write(`  ${line}\n`);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

ignoreNegativeTimeouts();
print(`seed ${seed}`);
let failed = 0;
{
  await using world = await BenchWorld.start(print);
  for (let number = 1; number <= runs; number++) {
    const faults = await new Take(world, new Random(seed + number), number).run();
    for (const fault of faults.slice(0, 20)) print(`  ${fault}`);
    if (faults.length > 20) print(`  and ${faults.length - 20} more`);
    if (faults.length > 0) failed += 1;
  }
}
print(`${runs} take-overs, ${failed} with faults`);
process.exitCode = failed === 0 ? 0 : 1;
