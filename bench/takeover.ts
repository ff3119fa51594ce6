/**
 * How long events wait when the relay that streams dies beside a standby, with the default settings:
 *
 * `node bench/takeover.ts [rounds] [killed|stopped|hole]`
 *
 * An event is committed at the instant of the death; the time runs until a read_committed consumer has it, which only the
 * successor can have published.
 *
 * `killed`: SIGKILL, a dead process. Its connections close, and the standby takes the slot at its next poll.
 * `stopped`: SIGSTOP, as a dead host or a network that drops everything: no connection closes, and Postgres frees the
 * slot after wal_sender_timeout, which the relay sets on its own connection.
 * `hole`: the network between the relay and Postgres drops everything, while the relay lives and still reaches Kafka.
 *
 * Exit code 1 if the 99th percentile misses its target.
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { CommittedReader } from '../harness/committed-reader.ts';
import { urlOf, withClient } from '../harness/database.ts';
import { createTopics, kafkaClient } from '../harness/kafka.ts';
import { percentile } from '../harness/percentile.ts';
import { registerSchema } from '../harness/registry.ts';
import { RelayCrew } from '../harness/relay-crew.ts';
import { type RelayProcess, relayEnv } from '../harness/relay-process.ts';
import { TcpProxy } from '../harness/tcp-proxy.ts';
import { waitFor } from '../harness/wait.ts';
import { migrate } from '../relay/operations/migrate/migrate.ts';
import { type Stack, startStack } from '../stack/stack.ts';
import { eventSchema, eventType, payloadOf } from './workload.ts';

const deaths = ['killed', 'stopped', 'hole'] as const;
type Death = (typeof deaths)[number];

/** Of the 99th percentile, in ms. */
const targetsMs: Readonly<Record<Death, number>> = { killed: 3_000, stopped: 15_000, hole: 15_000 };

/** After this an attempt has failed, whatever the target. */
const patienceMs = 60_000;

class Takeovers implements AsyncDisposable {
  readonly #pool: pg.Pool;
  readonly #crew: RelayCrew;
  readonly #reader: CommittedReader;
  readonly #topic: string;
  /** To Postgres, one for each relay. */
  readonly #ways = new Map<RelayProcess, TcpProxy>();
  readonly #url: URL;
  readonly #seenMs = new Map<string, number>();

  private constructor(url: string, crew: RelayCrew, brokers: readonly string[], topic: string) {
    this.#url = new URL(url);
    this.#pool = new pg.Pool({ connectionString: url });
    this.#pool.on('error', () => {});
    this.#crew = crew;
    this.#topic = topic;
    this.#reader = new CommittedReader(brokers, [topic], ({ headers }) => {
      this.#seenMs.set(String(headers.id), performance.now());
    });
    this.#reader.start();
  }

  static async open(stack: Stack, logFile: string): Promise<Takeovers> {
    const name = `takeover_${randomUUID().slice(0, 8)}`;
    const url = await createDatabase(stack.databaseUrl, name);
    await createTopics(kafkaClient(stack.brokers), [{ topic: name, numPartitions: 3 }]);
    await registerSchema(stack.registryUrl, `${name}-${eventType}`, eventSchema);
    const env = relayEnv(
      { ...stack, databaseUrl: url },
      {
        SLOT: name,
        TOPICS_TEMPLATE: name,
        TOPICS_ALLOW: name,
        KAFKA_PROGRESS_TOPIC: `${name}.progress`,
        HTTP_PORT: 0,
      },
    );
    const crew = new RelayCrew(env, logFile);
    crew.size = 0; // each is started here, on a way of its own
    const takeovers = new Takeovers(url, crew, stack.brokers, name);
    for (let n = 0; n < 2; n++) await takeovers.#start();
    return takeovers;
  }

  /** One death, once both relays are where they should be. @returns ms from the death to the event */
  async measure(death: Death): Promise<number> {
    const active = await this.#crew.untilActive(patienceMs);
    await waitFor(() => this.#standby(active) !== undefined, 'a standby', patienceMs);
    await this.#seen(await this.#write());
    this.#strike(active, death);
    const diedMs = performance.now();
    const seenMs = await this.#seen(await this.#write());
    await active.kill();
    this.#ways.get(active)?.close();
    this.#ways.delete(active);
    await this.#start();
    return seenMs - diedMs;
  }

  async #start(): Promise<void> {
    const way = await TcpProxy.open(Number(this.#url.port));
    const url = new URL(this.#url);
    url.port = String(way.port);
    this.#ways.set(this.#crew.start({ databaseUrl: url.href }), way);
  }

  #strike(active: RelayProcess, death: Death): void {
    if (death === 'hole') this.#ways.get(active)?.silence();
    else active.signal(death === 'killed' ? 'SIGKILL' : 'SIGSTOP');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#crew.stop();
    for (const way of this.#ways.values()) way.close();
    await this.#reader.stop();
    await this.#pool.query(
      'select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1 and not active',
      [this.#topic],
    );
    await this.#pool.end();
  }

  #standby(active: RelayProcess): RelayProcess | undefined {
    return this.#crew.all.find((relay) => relay !== active && relay.state === 'standby' && !relay.hasEnded);
  }

  async #write(): Promise<string> {
    const { rows } = await this.#pool.query<{ id: string }>(
      `insert into outbox.event (aggregatetype, aggregateid, type, payload) values ('x', 'k', $1, $2) returning id`,
      [eventType, payloadOf(275)],
    );
    return rows[0]!.id;
  }

  async #seen(id: string): Promise<number> {
    await waitFor(() => this.#seenMs.has(id), 'the event in Kafka', patienceMs);
    return this.#seenMs.get(id)!;
  }
}

async function createDatabase(server: string, name: string): Promise<string> {
  await withClient(server, (client) => client.query(`create database ${name}`));
  const url = urlOf(server, name);
  await migrate({ databaseUrl: url });
  return url;
}

async function main(rounds: number, chosen: readonly Death[]): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'takeover-'));
  await using stack = await startStack({ purpose: 'bench', onProgress: (line) => console.error(line) });
  await using takeovers = await Takeovers.open(stack, path.join(folder, 'relays.log'));
  console.log('death     rounds     p50      p99      max   target p99');
  for (const death of chosen) {
    const tookMs: number[] = [];
    for (let round = 0; round < rounds; round++) {
      tookMs.push(await takeovers.measure(death));
      console.error(`${death} ${round + 1} of ${rounds}: ${Math.round(tookMs.at(-1)!)} ms`);
    }
    const sorted = tookMs.toSorted((a, b) => a - b);
    const figures = [percentile(sorted, 0.5), percentile(sorted, 0.99), sorted.at(-1)!, targetsMs[death]];
    console.log(
      `${death.padEnd(10)}${String(rounds).padStart(6)}${figures.map((ms) => `${(ms / 1000).toFixed(2)} s`.padStart(9)).join('')}`,
    );
    if (percentile(sorted, 0.99) > targetsMs[death]) process.exitCode = 1;
  }
  await rm(folder, { recursive: true, force: true });
}

const [rounds = '20', death] = process.argv.slice(2);
await main(Number(rounds), death === undefined ? deaths : [death as Death]);
