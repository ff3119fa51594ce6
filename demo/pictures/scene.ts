/**
 * What the pictures of the console show: servers of their own, two relays, orders that come all the time, and what a bad
 * week leaves behind. Made with the project's own order service, commands and operations, so that each number is true.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { ConsoleProcess } from '../../harness/console.ts';
import { createTopics, kafkaClient } from '../../harness/kafka.ts';
import '../../harness/kafkajs-lz4.ts';
import { Random } from '../../harness/random.ts';
import { type Environment, RelayProcess, relayEnv, runCommand } from '../../harness/relay-process.ts';
import { endOf, waitFor } from '../../harness/wait.ts';
import { configSchema } from '../../relay/config/schema.ts';
import { RegistryClient } from '../../relay/encode/registry/registry-client.ts';
import { migrate } from '../../relay/operations/migrate/migrate.ts';
import { readSchemaFiles } from '../../relay/operations/schemas/files.ts';
import { freePort } from '../../stack/port.ts';
import { openRun, type Run } from '../../stack/run.ts';
import { type Stack, startStack } from '../../stack/stack.ts';
import { badPayload, goodPayload, type Payload, withoutCurrency } from '../payloads.ts';

const root = path.join(import.meta.dirname, '../..');
export const tokens = { operate: 'operate-operate-operate', view: 'view-view-view-view' };
/** Longer than fits anywhere, of signs that Kafka allows. */
export const longType = `a-name-${'of-two-hundred-characters-'.repeat(7)}end`;
/** Signs that a page must show, and not obey. */
export const oddKey = 'line 1\nline 2\u0007 <b>bold</b> \u202edesrever\u202c';
export const parkedKey = 'shipment-4711';

const topics = [
  ['order', 6],
  ['payment', 3],
  ['shipment', 3],
] as const;
const topicOf = (name: string) => `outbox.event.${name}`;

export class Scene implements AsyncDisposable {
  readonly stack: Stack;
  readonly pool: pg.Pool;
  readonly #run: Run;
  readonly #env: Environment;
  readonly #random = new Random(20);
  readonly #ending = new AsyncDisposableStack();
  readonly #traffic = new AbortController();
  relays: RelayProcess[] = [];
  served!: ConsoleProcess;

  private constructor(stack: Stack, run: Run, env: Environment) {
    this.stack = stack;
    this.#run = run;
    this.#env = env;
    this.pool = new pg.Pool({ connectionString: stack.databaseUrl, max: 4 });
    this.pool.on('error', () => {}); // of an idle connection; its next use reports it
  }

  /** Servers, relays and the console. */
  static async open(note: (line: string) => void): Promise<Scene> {
    // Here they are stopped, cut off and filled.
    for (const name of ['DATABASE_URL', 'KAFKA_BROKERS', 'SCHEMA_REGISTRY_URL']) delete process.env[name];
    const settings = { max_slot_wal_keep_size: '4GB', track_commit_timestamp: 'on' };
    const stack = await startStack({ purpose: 'test', postgres: { settings }, onProgress: note });
    const run = await openRun();
    const env = relayEnv(stack, {
      HTTP_PORT: 0,
      SLOT: 'shop_outbox',
      DEAD_LETTERS_POLICIES: `${topicOf('shipment')}=park-key`,
      METRICS_CONSUMER_GROUPS: 'billing,search',
      METRICS_SHOW_KEYS: true,
      AUDIT_EVERY_MINUTES: 1,
      CLEANUP_RETENTION: '3d',
      SLOT_WHEN_LOST: 'recover',
      SLOT_WAL_DISK_BYTES: 64 * 1024 ** 3,
      RETRY_MAX_DELAY_MS: 1_000,
      CONSOLE_OPERATE_TOKEN: tokens.operate,
      CONSOLE_VIEW_TOKEN: tokens.view,
      CONSOLE_OPERATE_PAYLOADS: 'full',
      CONSOLE_VIEW_PAYLOADS: 'masked',
    });
    const scene = new Scene(stack, run, env);
    await scene.#prepare();
    return scene;
  }

  async #prepare(): Promise<void> {
    const { databaseUrl, brokers, registryUrl } = this.stack;
    await migrate({ databaseUrl });
    await this.pool.query(await readFile(path.join(root, 'migrations/roles.sql'), 'utf8'));
    await this.pool.query(`create role on_call login password 'sesame' in role outbox_operator, pg_monitor`);
    // For a verify from the console, and to find rows.
    await this.pool.query('grant select on outbox.event, outbox.removal to on_call');
    const config = configSchema.parse({
      database: { url: databaseUrl },
      kafka: { brokers },
      registry: { url: registryUrl },
      schemas: { directory: path.join(root, 'schemas') },
    });
    const registry = new RegistryClient(config.registry);
    for (const { subject, schemaText } of await readSchemaFiles(config))
      await registry.register(subject, schemaText);
    const created = topics.map(([name, numPartitions]) => ({ topic: topicOf(name), numPartitions }));
    await createTopics(kafkaClient(brokers), created);
    await this.startRelay();
    await this.serve();
  }

  /** The first one streams; others stand by. */
  async startRelay(): Promise<RelayProcess> {
    const relay = new RelayProcess({ env: this.#env, run: this.#run });
    this.relays.push(relay);
    if (this.relays.length === 1) await relay.streaming();
    return relay;
  }

  async stopRelays(): Promise<void> {
    await Promise.all(this.relays.map((relay) => relay.stop()));
    this.relays = [];
  }

  async serve(): Promise<void> {
    const url = new URL(this.stack.databaseUrl);
    [url.username, url.password] = ['on_call', 'sesame'];
    const env = {
      ...this.#env,
      DATABASE_URL: url.href,
      OUTBOX_RELAY_CONSOLE_PORT: String(await freePort()),
      OUTBOX_RELAY_SCHEMAS_DIRECTORY: path.join(root, 'schemas'),
    };
    this.served = await ConsoleProcess.start({ env, run: this.#run });
  }

  /** As the command line would, for what has no button, or to have done it before. */
  async command(...args: string[]): Promise<void> {
    const { code, stdout, stderr } = await runCommand(this.#env, ...args);
    if (code !== 0) throw new Error(`outbox-relay ${args.join(' ')} ended with ${code}:\n${stdout}${stderr}`);
  }

  /** In one transaction, each under a key of its own unless one is named. */
  async write(payloads: readonly Payload[], key?: string): Promise<void> {
    await this.pool.query(
      `insert into outbox.event (aggregatetype, aggregateid, type, payload, headers)
       select aggregatetype, aggregateid, type, payload::json, headers::json
         from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) with ordinality
              as given (aggregatetype, aggregateid, type, payload, headers, n)
        order by n`,
      [
        payloads.map(({ aggregatetype }) => aggregatetype),
        payloads.map(() => key ?? this.#key()),
        payloads.map(({ type }) => type),
        payloads.map(({ json }) => json),
        payloads.map(({ headers }) => JSON.stringify(headers)),
      ],
    );
  }

  /** One order. @returns its id */
  async writeOne(key: string): Promise<string> {
    const [{ aggregatetype, type, json, headers }] = this.good(1) as [Payload];
    const { rows } = await this.pool.query<{ id: string }>(
      `insert into outbox.event (aggregatetype, aggregateid, type, payload, headers)
       values ($1, $2, $3, $4, $5) returning id`,
      [aggregatetype, key, type, json, JSON.stringify(headers)],
    );
    return rows[0]!.id;
  }

  /** One customer of many orders most of all. */
  #key(): string {
    return this.#random.chance(0.18) ? 'customer-1' : `customer-${this.#random.integer(2, 4_000)}`;
  }

  good(count: number): Payload[] {
    return Array.from({ length: count }, () => goodPayload(this.#random));
  }

  /** Orders until `calm`, more of them now and then. */
  async keepWriting(): Promise<void> {
    const { signal } = this.#traffic;
    for (let round = 0; !signal.aborted; round++) {
      await this.write(this.good(Math.round(14 + 10 * Math.sin(round / 60) + this.#random.integer(0, 6))));
      await sleep(100, undefined, { signal }).catch(() => {});
    }
  }

  calm(): void {
    this.#traffic.abort();
  }

  /** Dead letters of one cause above all, of several others, and a parked key. */
  async refuse(): Promise<void> {
    const random = this.#random;
    for (let part = 0; part < 7; part++)
      await this.write(Array.from({ length: 121 }, () => withoutCurrency(random)));
    await this.write(Array.from({ length: 40 }, () => badPayload(random)));
    await this.write([withoutCurrency(random)], oddKey);
    const [good] = this.good(1);
    await this.write([{ ...good!, aggregatetype: longType }], 'k');
    const shipment = () => this.good(80).filter(({ aggregatetype }) => aggregatetype === 'shipment');
    const [first, second, ...rest] = shipment();
    const broken = { ...second!, json: second!.json!.replace('"carrier":', '"courier":') };
    await this.write([first!, broken, ...rest.slice(0, 6)], parkedKey);
    await this.write([{ ...broken }, ...rest.slice(0, 2)], oddKey);
    await waitFor(async () => (await this.count('open')) >= 880, 'dead letters', 60_000);
    await waitFor(async () => (await this.count('parked')) >= 7, 'events behind the parked key', 60_000);
  }

  async count(status: string): Promise<number> {
    const { rows } = await this.pool.query<{ n: number }>(
      'select count(*)::int as n from outbox.dead_letter where status = $1',
      [status],
    );
    return rows[0]!.n;
  }

  /** A consumer that keeps up, and one that has fallen behind. */
  async consume(): Promise<void> {
    const kafka = kafkaClient(this.stack.brokers, 'pictures');
    for (const groupId of ['billing', 'search']) {
      const consumer = kafka.consumer({ groupId });
      await consumer.connect();
      await consumer.subscribe({ topics: topics.map(([name]) => topicOf(name)), fromBeginning: true });
      const began = Promise.withResolvers<void>();
      await consumer.run({ eachMessage: async () => began.resolve(), autoCommitInterval: 1_000 });
      await endOf(began.promise, `a record for ${groupId}`, 60_000);
      if (groupId === 'search') await consumer.disconnect();
      else this.#ending.defer(() => consumer.disconnect());
    }
  }

  /** A second version of cancelled orders, with a field that has a default; and no version that breaks anybody. */
  async evolve(): Promise<void> {
    const file = path.join(root, 'schemas/order/OrderCancelled.avsc');
    const schema = JSON.parse(await readFile(file, 'utf8'));
    const fields = [...schema.fields, { name: 'requestedBy', type: 'string', default: 'unknown' }];
    const config = configSchema.parse({
      database: { url: this.stack.databaseUrl },
      kafka: { brokers: this.stack.brokers },
      registry: { url: this.stack.registryUrl },
    });
    const subject = `${topicOf('order')}-shop.order.OrderCancelled`;
    const answer = await fetch(`${config.registry.url}/config/${subject}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
      body: JSON.stringify({ compatibility: 'FULL' }),
    });
    if (!answer.ok) throw new Error(`the registry takes no compatibility level: ${answer.status}`);
    await new RegistryClient(config.registry).register(subject, JSON.stringify({ ...schema, fields }));
  }

  /** Somebody deletes a row: its record in Kafka then has none, which an audit must find. */
  async deleteRow(): Promise<void> {
    await this.pool.query(
      `delete from outbox.event where id =
         (select id from outbox.event where type = 'shop.order.OrderCancelled' order by created_at limit 1)`,
    );
  }

  /** Another service writes a record with the id of an event to the event's topic. */
  async writeElsewhere(id: string): Promise<void> {
    const producer = kafkaClient(this.stack.brokers).producer();
    await producer.connect();
    await producer.send({
      topic: topicOf('payment'),
      messages: [{ key: 'theirs', value: '{}', headers: { id } }],
    });
    await producer.disconnect();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.calm();
    await this.#ending.disposeAsync();
    await this.stopRelays().catch(() => {});
    await this.served?.stop();
    await this.pool.end();
    await this.#run.end();
    await this.stack.stop();
  }
}
