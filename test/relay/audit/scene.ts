/** An outbox, its topics and its progress on the shared servers, written by hand in place of a relay. */
import { randomUUID } from 'node:crypto';
import type { ITopicConfig, Message } from 'kafkajs';
import pino from 'pino';
import { type AuditOptions, type AuditReport, audit } from '../../../relay/audit/audit.ts';
import { type RunOptions, runAudit } from '../../../relay/audit/standing/standing.ts';
import type { AuditRow } from '../../../relay/audit/standing/store.ts';
import { type Config, configSchema } from '../../../relay/config/schema.ts';
import { createKafka } from '../../../relay/connect/kafka.ts';
import { formatLsn, formatPosition } from '../../../relay/model/position.ts';
import { serializeProgress } from '../../../relay/model/progress.ts';
import { createMigratedDatabase, type TestDatabase } from '../../support/database.ts';
import { createTopics } from '../../support/kafka.ts';
import { registerSchema } from '../../support/registry.ts';
import { servers } from '../../support/servers.ts';
import { unique } from '../../support/unique.ts';
import { openWriter, type TransactionalWriter, type Writing } from './topics.ts';

const schema = { type: 'record', name: 'OrderPlaced', fields: [{ name: 'total', type: 'long' }] };
/** A long of 2^54, zigzag and variable length: what decodes it must not give up beyond 2^53. */
const total = '18014398509481984';
const payload = Buffer.from([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40]);

/** Positions below every snapshot: the first segment of a cluster's WAL is past by the time it runs. */
let nextLsn = 0x1000n;

export type RecordChanges = Partial<Pick<Message, 'key' | 'value' | 'timestamp' | 'partition'>> & {
  readonly headers?: Record<string, string>;
};

type Row = {
  readonly id: string;
  readonly key: string;
  readonly type: string;
  readonly payload: string | null;
  readonly headers: string;
  readonly createdAt: Date;
};

export class Scene implements AsyncDisposable {
  readonly config: Config;
  readonly topic: string;
  readonly database: TestDatabase;
  readonly writer: TransactionalWriter;
  readonly #schemaId: number;

  constructor(parts: Pick<Scene, 'config' | 'topic' | 'database' | 'writer'> & { schemaId: number }) {
    this.config = parts.config;
    this.topic = parts.topic;
    this.database = parts.database;
    this.writer = parts.writer;
    this.#schemaId = parts.schemaId;
  }

  /** Commits events and returns their ids. */
  async insert(count = 1): Promise<string[]> {
    const { rows } = await this.database.pool.query<{ id: string }>(
      `insert into outbox.event (id, aggregatetype, aggregateid, type, payload)
       select id, 'order', id::text, 'OrderPlaced', $2
         from (select gen_random_uuid() as id from generate_series(1, $1)) ids returning id`,
      [count, `{"total":${total}}`],
    );
    return rows.map(({ id }) => id);
  }

  /** Commits one event, with all of its columns. */
  async insertRow(row: Partial<Row>): Promise<string> {
    const id = row.id ?? randomUUID();
    await this.database.pool.query(
      `insert into outbox.event (id, aggregatetype, aggregateid, type, payload, headers, created_at)
       values ($1, 'order', $2, $3, $4, $5, coalesce($6, clock_timestamp()))`,
      [
        id,
        row.key ?? id,
        row.type ?? 'OrderPlaced',
        row.payload === undefined ? `{"total":${total}}` : row.payload,
        row.headers ?? '{}',
        row.createdAt,
      ],
    );
    return id;
  }

  /** A transaction that has written one event, and has not ended. */
  async openTransaction(): Promise<
    AsyncDisposable & { readonly id: string; readonly end: (how: 'commit' | 'rollback') => Promise<void> }
  > {
    const client = await this.database.pool.connect();
    await client.query('begin');
    const { rows } = await client.query<{ id: string }>(
      `insert into outbox.event (aggregatetype, aggregateid, type, payload)
       values ('order', '1', 'OrderPlaced', $1) returning id`,
      [`{"total":${total}}`],
    );
    let ending: Promise<void> | undefined;
    const end = (how: 'commit' | 'rollback') => {
      ending ??= client.query(how).then(() => client.release());
      return ending;
    };
    return { id: rows[0]!.id, end, [Symbol.asyncDispose]: () => end('rollback') };
  }

  /** A record as the relay writes it, at a position of its own unless said otherwise. */
  record(id: string, { headers, ...changes }: RecordChanges = {}): Message {
    nextLsn += 16n;
    return {
      key: id,
      value: this.value(payload),
      partition: 0,
      timestamp: String(Date.now()),
      headers: { id, type: 'OrderPlaced', position: formatPosition(nextLsn, 0), ...headers },
      ...changes,
    };
  }

  value(avro: Buffer, schemaId = this.#schemaId): Buffer {
    const framing = Buffer.alloc(5);
    framing.writeInt32BE(schemaId, 1);
    return Buffer.concat([framing, avro]);
  }

  events(...messages: Message[]): Writing {
    return { topic: this.topic, messages };
  }

  /** The progress after everything that is committed now, and WAL beyond it. */
  async progress(changes: { endLsn?: bigint; systemIdentifier?: string } = {}): Promise<Writing> {
    const { rows } = await this.database.pool.query<{ systemIdentifier: string }>(
      'select system_identifier::text as "systemIdentifier" from pg_control_system()',
    );
    const value = serializeProgress({
      slot: this.config.slot.name,
      systemIdentifier: rows[0]!.systemIdentifier,
      timeline: 1,
      endLsn: 1n << 60n,
      partial: null,
      beat: 0,
      eventCount: 0,
      instance: 'test',
      time: new Date().toISOString(),
      ...changes,
    });
    return {
      topic: this.config.kafka.progressTopic,
      messages: [{ key: this.config.slot.name, value, partition: 0 }],
    };
  }

  /**
   * Marks that a relay first started now, and what it knew when it made the slot. A snapshot of Postgres would list what
   * other tests run in the cluster, and then not tell what was committed between them.
   */
  async startNow(): Promise<void> {
    await this.database.pool.query(
      `insert into outbox.progress (slot, initialised_at, snapshots_of, first_snapshot, streamed_snapshot)
       select $1, now(), (select system_identifier::text from pg_control_system()) || '/' || oid, snapshot, snapshot
         from pg_database, (select format('%1$s:%1$s:', pg_current_xact_id())::pg_snapshot as snapshot) as quiet
        where datname = current_database()`,
      [this.config.slot.name],
    );
  }

  async deadLetter(
    eventId: string,
    status = 'open',
    row: {
      readonly payload?: string;
      readonly key?: string;
      readonly position?: bigint;
      readonly systemIdentifier?: string;
    } = {},
  ): Promise<void> {
    nextLsn += 16n;
    await this.database.pool.query(
      `insert into outbox.dead_letter
         (slot, commit_lsn, ordinal, event_id, code, message, status, aggregateid, type, payload, system_identifier)
       values ($1, $2, 0, $3, 'PAYLOAD_INVALID', 'made by a test', $4, $5, 'OrderPlaced', $6,
         coalesce($7, (select system_identifier::text from pg_control_system())))`,
      [
        this.config.slot.name,
        formatLsn(row.position ?? nextLsn),
        eventId,
        status,
        row.key,
        row.payload,
        row.systemIdentifier,
      ],
    );
  }

  audit(options: Partial<AuditOptions> = {}): Promise<AuditReport> {
    const kafka = createKafka(this.config, pino({ level: 'silent' }));
    return audit({ config: this.config, kafka, waitMs: 0, maxIds: 100, expectAll: false, ...options });
  }

  /** A run of the standing audit. */
  runAudit(options: Partial<RunOptions> = {}): Promise<AuditRow> {
    const kafka = createKafka(this.config, pino({ level: 'silent' }));
    const { signal } = new AbortController();
    return runAudit({
      config: this.config,
      kafka,
      // A broker under load shows what was committed a moment later.
      waitMs: 10_000,
      perSecondMax: 0,
      closes: true,
      signal,
      ...options,
    });
  }

  /** What the standing audit found so far: kind and id. */
  async findings(): Promise<[string, string][]> {
    const { rows } = await this.database.pool.query<{ kind: string; id: string }>(
      'select kind, event_id as id from outbox.audit_finding where resolved_at is null order by id',
    );
    return rows.map(({ kind, id }) => [kind, id]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.writer[Symbol.asyncDispose]();
    await this.database.drop();
  }
}

export type SceneSettings = {
  /** Other brokers than the shared ones. */
  readonly brokers?: string[];
  readonly partitions?: number;
  readonly configEntries?: NonNullable<ITopicConfig['configEntries']>;
  /** Topics, by pattern, that take tombstones; the one of the scene with `true`. */
  readonly takesTombstones?: boolean;
  readonly records?: Partial<Config['records']>;
  /** Whether the settings name the registry; true by default. */
  readonly hasRegistry?: boolean;
};

export async function openScene(settings: SceneSettings = {}): Promise<Scene> {
  const shared = await servers();
  const { registryUrl } = shared;
  const brokers = settings.brokers ?? shared.brokers;
  const database = await createMigratedDatabase();
  const prefix = unique('audit');
  const topic = `${prefix}.order`;
  const config = configSchema.parse({
    slot: { name: prefix },
    database: { url: database.url },
    kafka: { brokers, progressTopic: `${prefix}.progress`, transactionTimeoutMs: 5_000 },
    records: settings.records,
    registry: settings.hasRegistry === false ? {} : { url: registryUrl },
    // The allow-list matches the progress topic, which must be left out all the same.
    topics: {
      template: `${prefix}.{aggregatetype}`,
      allow: [`${prefix}.*`],
      ...(settings.takesTombstones === true ? { tombstones: [topic] } : {}),
    },
  });
  await createTopics(
    [
      { topic, numPartitions: settings.partitions ?? 2, configEntries: settings.configEntries ?? [] },
      { topic: config.kafka.progressTopic, numPartitions: 1 },
    ],
    brokers,
  );
  const schemaId = await registerSchema(`${topic}-OrderPlaced`, schema);
  return new Scene({ config, topic, database, writer: await openWriter(brokers), schemaId });
}

/** Kinds of findings and of what was not judged that are not empty, each with its ids. */
export function told({ findings, unjudged }: AuditReport): Record<string, (string | null)[]> {
  const kinds = Object.entries({ ...findings, ...unjudged }).filter(([, { count }]) => count > 0);
  return Object.fromEntries(
    kinds.map(([kind, { first }]) => [
      kind,
      first.map((item) => (typeof item === 'string' ? item : item.id)),
    ]),
  );
}
