/**
 * A world: a database, topics, a slot and a relay of its own, with writers, a consumer and a sampler at work. A handful
 * of faults use it one after another; then it is dropped.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { CommittedReader } from '../harness/committed-reader.ts';
import { dropDatabase, withClient } from '../harness/database.ts';
import { itemSchema } from '../harness/item-schema.ts';
import { createTopics, deleteTopics } from '../harness/kafka.ts';
import { Random } from '../harness/random.ts';
import { registerSchema } from '../harness/registry.ts';
import { RelayCrew, type RelayVariation } from '../harness/relay-crew.ts';
import { type Settings, settingsEnv } from '../harness/relay-process.ts';
import { parseLsn } from '../relay/model/position.ts';
import { migrate } from '../relay/operations/migrate/migrate.ts';
import { type AuditTotals, ChaosAudit } from './audit.ts';
import type { Arena } from './fault.ts';
import { itemType, Load } from './load.ts';
import { stretched, waitFor } from './machine.ts';
import { type Breach, type DeadLetter, Oracle, type WrittenEvent } from './oracle.ts';
import type { Servers } from './servers.ts';

/**
 * Where they differ from the defaults: short periods, so that a fault is over in seconds, and parts so small that many
 * transactions come in several.
 */
const relaySettings: Settings = {
  TOPICS_CREATE: 'false',
  HTTP_PORT: 0,
  CAPTURE_HEARTBEAT_MS: 500,
  CAPTURE_STANDBY_POLL_MS: 100,
  CAPTURE_WAL_SENDER_TIMEOUT_MS: 3_000,
  CAPTURE_WATCHDOG_MS: 4_000,
  KAFKA_REQUEST_TIMEOUT_MS: 3_000,
  KAFKA_CONNECT_TIMEOUT_MS: 2_000,
  KAFKA_TRANSACTION_TIMEOUT_MS: 10_000,
  DATABASE_CONNECT_TIMEOUT_MS: 2_000,
  DATABASE_STATEMENT_TIMEOUT_MS: 3_000,
  REGISTRY_TIMEOUT_MS: 1_000,
  REGISTRY_LATEST_TTL_MS: 500,
  RETRY_MAX_DELAY_MS: 1_000,
  PUBLISH_PART_EVENTS: 100,
  PUBLISH_BATCH_EVENTS: 50,
};

export type WorldOptions = {
  readonly servers: Servers;
  readonly seed: number;
  readonly logFile: string;
  readonly settings?: Settings;
  readonly firstRelay?: RelayVariation;
  /** The standing audit runs beside the faults, and adds to these. */
  readonly audit?: AuditTotals;
};

const partitions = 4;
const sampleEveryMs = 50;
const lettersEverySamples = 5;
/** Until the relay runs and its slot exists, before the first event. */
const startWithinMs = 30_000;

export class World implements AsyncDisposable {
  readonly arena: Arena;
  readonly #reader: CommittedReader;
  readonly #audit: ChaosAudit | undefined;
  readonly #sampling: Promise<void>;
  readonly #ending = new AbortController();

  private constructor(arena: Arena, reader: CommittedReader, audit: ChaosAudit | undefined) {
    this.arena = arena;
    this.#audit = audit;
    this.#reader = reader;
    reader.start();
    this.#sampling = this.#sample();
  }

  static async open(options: WorldOptions): Promise<World> {
    const { servers, seed, settings = {}, firstRelay = {}, logFile } = options;
    const name = `chaos_${randomBytes(4).toString('hex')}`;
    const topics = { topic: name, progressTopic: `${name}.progress` };
    await createDatabase(servers, name);
    await createTopics(servers.kafkaClient, [{ topic: name, numPartitions: partitions }]);
    const urls = servers.databaseUrls(name);
    const pool = new pg.Pool({ connectionString: urls.direct, connectionTimeoutMillis: 2_000, max: 3 });
    pool.on('error', () => {}); // a fault ended the server; the next query fails
    const transactionalId = `outbox-relay.${name}`;
    const { wiretap } = servers.network;
    const oracle = new Oracle(topics.topic, name, {
      commits: () => wiretap.commitsOf(transactionalId),
      acknowledgements: () => wiretap.acknowledgementsOf(name),
    });
    const env = { ...relaySettings, ...settings, ...environmentOf(name, topics) };
    const relayEnv = { ...servers.relayEnv, DATABASE_URL: urls.relay, ...settingsEnv(env) };
    const relays = new RelayCrew(relayEnv, logFile);
    const random = new Random(seed);
    const load = new Load(urls.direct, oracle, random);
    const reader = new CommittedReader(
      servers.kafka.brokers,
      [topics.topic, topics.progressTopic],
      (record) => oracle.read(record),
    );
    const audit =
      options.audit === undefined
        ? undefined
        : new ChaosAudit(relayEnv, options.audit, { pool, slot: name, oracle });
    const arena: Arena = {
      servers,
      databaseUrl: urls.direct,
      databaseName: name,
      pool,
      slot: name,
      publication: 'outbox_relay',
      ...topics,
      transactionalId,
      relays,
      load,
      oracle,
      random,
      async registerSchema(type, schema) {
        oracle.knowSchema(
          await registerSchema(servers.registry.url, `${topics.topic}-${type}`, schema),
          schema,
        );
      },
      pause: (ms) => delay(ms),
      untilCaughtUp: (timeoutMs) => untilCaughtUp(oracle, relays, timeoutMs),
      untilAudited: async (timeoutMs) => audit?.untilVerified(stretched(timeoutMs)),
      untilResolved: async (timeoutMs) => audit?.untilResolved(stretched(timeoutMs)),
    };
    const world = new World(arena, reader, audit);
    try {
      await arena.registerSchema(itemType, itemSchema);
      relays.start(firstRelay);
      await waitFor(() => hasSlot(arena), 'the slot', startWithinMs);
      load.start();
      await relays.untilActive(stretched(startWithinMs));
      await arena.untilCaughtUp(startWithinMs);
      return world;
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { load, relays, pool, servers, databaseName, topic, progressTopic } = this.arena;
    await load.stop();
    await this.#audit?.stop();
    await relays.stop();
    this.#ending.abort();
    await this.#reader.stop();
    await this.#sampling;
    await pool.end();
    // If a server never comes back, the run ends and removes its data.
    await dropDatabase(servers.databaseUrls('postgres').direct, databaseName).catch(() => {});
    await deleteTopics(servers.kafkaClient, [topic, progressTopic]).catch(() => {});
  }

  /** What the audit found since the last call. */
  takeAuditBreaches(): Breach[] {
    return this.#audit?.takeBreaches() ?? [];
  }

  /** Samples I6 and the dead letters from the database. */
  async #sample(): Promise<void> {
    const { signal } = this.#ending;
    const { pool, slot, oracle } = this.arena;
    for (let n = 0; !signal.aborted; n++) {
      try {
        const { rows } = await pool.query<{ lsn: string | null }>(
          'select confirmed_flush_lsn as lsn from pg_replication_slots where slot_name = $1',
          [slot],
        );
        const lsn = rows[0]?.lsn;
        if (lsn != null) oracle.foundConfirmed(parseLsn(lsn), Date.now());
        if (n % lettersEverySamples === 0) oracle.foundDeadLetters(await readDeadLetters(this.arena));
      } catch {
        // The server is down, or the world is not migrated yet.
      }
      await delay(sampleEveryMs);
    }
  }
}

/** Everything the table holds: the truth. */
export async function readEvents({ pool }: Arena): Promise<WrittenEvent[]> {
  const { rows } = await pool.query<{ id: string; poison: boolean }>(
    `select id, headers ->> 'poison' is not null as poison from outbox.event`,
  );
  return rows.map(({ id, poison }) => ({ id, isPoison: poison }));
}

export async function readDeadLetters({ pool, slot }: Pick<Arena, 'pool' | 'slot'>): Promise<DeadLetter[]> {
  const { rows } = await pool.query<{ id: string; status: string; released: string | null }>(
    'select event_id as id, status, released_lsn as released from outbox.dead_letter where slot = $1',
    [slot],
  );
  return rows.map(({ id, status, released }) => ({
    eventId: id,
    status,
    releasedLsn: released === null ? null : parseLsn(released),
  }));
}

async function untilCaughtUp(oracle: Oracle, relays: RelayCrew, timeoutMs: number): Promise<void> {
  const due = [...oracle.awaited];
  const { acknowledged, seen } = oracle;
  const isNewerSeen = () => oracle.acknowledged > acknowledged && oracle.seen > seen + due.length;
  await waitFor(
    () => {
      if (relays.halted !== undefined) throw new Error(`the relay halted with ${relays.halted.code}`);
      return isNewerSeen() && !due.some((id) => oracle.awaited.has(id));
    },
    'catching up',
    timeoutMs,
  );
}

async function hasSlot({ pool, slot }: Arena): Promise<boolean> {
  const { rowCount } = await pool.query(
    'select from pg_replication_slots where slot_name = $1 and confirmed_flush_lsn is not null',
    [slot],
  );
  return rowCount === 1;
}

function environmentOf(slot: string, topics: { topic: string; progressTopic: string }): Settings {
  return {
    SLOT: slot,
    KAFKA_PROGRESS_TOPIC: topics.progressTopic,
    TOPICS_TEMPLATE: topics.topic,
    TOPICS_ALLOW: topics.topic,
  };
}

const templateName = 'chaos_template';

/** Copied from a migrated one, which is made once. */
function createDatabase(servers: Servers, name: string): Promise<void> {
  return withClient(servers.databaseUrls('postgres').direct, async (client) => {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [templateName]);
    if (rowCount === 0) {
      await client.query(`create database ${templateName}`);
      await migrate({ databaseUrl: servers.databaseUrls(templateName).direct });
    }
    await client.query(`create database ${name} template ${templateName}`);
  });
}
