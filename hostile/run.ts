/**
 * Sends hostile rows through the real relay. A valid event follows each of them and must be in Kafka within seconds;
 * each hostile row must be published or become a dead letter, exactly once; and the relay must neither restart nor take
 * more memory than a small container has.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Kafka } from 'kafkajs';
import pg from 'pg';
import { itemSchema } from '../harness/item-schema.ts';
import { createTopics, kafkaClient, withAdmin } from '../harness/kafka.ts';
import { percentile } from '../harness/percentile.ts';
import { Random } from '../harness/random.ts';
import { registerSchema } from '../harness/registry.ts';
import { describeExit, RelayProcess, relayEnv } from '../harness/relay-process.ts';
import { TopicReader } from '../harness/topic-reader.ts';
import { migrate } from '../relay/operations/migrate/migrate.ts';
import { type Cell, type HostileRow, hostileRows, type Names, type Role, roles } from './rows.ts';

export type HostileOptions = {
  readonly databaseUrl: string;
  readonly brokers: readonly string[];
  readonly registryUrl: string;
  readonly rows: number;
  readonly seed: number;
  readonly onProgress?: (line: string) => void;
};

export type HostileReport = {
  readonly rows: number;
  readonly seed: number;
  readonly published: number;
  readonly byCode: Readonly<Record<string, number>>;
  readonly kinds: number;
  /** From the commit of a valid event to its record: the slowest. */
  readonly slowestMs: number;
  readonly medianMs: number;
  readonly peakMb: number;
  readonly seconds: number;
  /** What failed; empty if everything passed. */
  readonly breaches: readonly string[];
};

/**
 * Most that may be resident. One large row fits a container of 512 MB; here they follow each other without pause, and
 * the memory of one is not collected, or kept by malloc, when the next arrives. The peak rises slowly as rarer rows
 * meet: 450 MB after 150 rows, 570 MB after 1,000, 650 MB after 3,600.
 */
const memoryMaxMb = 768;
/** That of a container of 512 MB, which holds more than the heap. */
const heapMb = 400;
/** Pairs in flight at once: a batch of large rows takes as long as all of them together. */
const batchPairs = 10;
/** For the valid event behind a hostile row. A row of 25 MB takes Postgres and the driver a second here. */
const lateMs = 15_000;
const patienceMs = 120_000;
const copiesWaitMs = 10_000;
const breachesMax = 20;
/** Hostile rows are told apart by their microsecond. */
const epoch = '2026-01-01T00:00:00Z';

/** A hostile row that was inserted: it must be in one place, once. */
type Sent = { readonly kind: string; readonly id: string | null };

export async function runHostile(options: HostileOptions): Promise<HostileReport> {
  const run = new Run(options);
  try {
    await run.start();
    return await run.all();
  } finally {
    await run.stop();
  }
}

class Run {
  readonly #options: HostileOptions;
  readonly #name = `hostile_${randomBytes(4).toString('hex')}`;
  readonly #random: Random;
  readonly #pool: pg.Pool;
  readonly #kafka: Kafka;
  readonly #names: Names = { topic: this.#name, type: 'test.ItemMoved' };
  #relay: RelayProcess | undefined;
  #peakMb = 0;
  /** By the id in their header, records that came; when the first did. */
  readonly #arrived = new Map<string, { count: number; atMs: number }>();
  readonly #sent = new Map<string, Sent>();
  readonly #latenciesMs: number[] = [];
  readonly #breaches: string[] = [];
  readonly #ending: (() => Promise<unknown>)[] = [];
  /** Records in the dead-letter topic. */
  #copies = 0;
  #wake: () => void = () => {};

  constructor(options: HostileOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#pool = new pg.Pool({ connectionString: options.databaseUrl, max: 2 });
    this.#kafka = kafkaClient(options.brokers, this.#name);
  }

  async start(): Promise<void> {
    const { databaseUrl, registryUrl } = this.#options;
    const name = this.#name;
    await migrate({ databaseUrl });
    await this.#pool.query(`create table public.${name} (id text, aggregatetype text, aggregateid text, type text,
      payload text, headers text, created_at timestamptz)`);
    await this.#pool.query(`alter publication outbox_relay add table public.${name}`);
    await this.#createTopics();
    await registerSchema(registryUrl, `${name}-${this.#names.type}`, itemSchema);
    await this.#follow();
    const env = relayEnv(this.#options, {
      SLOT: name,
      OUTBOX_TABLE: `public.${name}`,
      OUTBOX_PARTITIONS_DAYS_AHEAD: 0,
      TOPICS_TEMPLATE: '{aggregatetype}',
      TOPICS_ALLOW: `${name},hostile.*`,
      TOPICS_CREATE: false,
      KAFKA_PROGRESS_TOPIC: `${name}.progress`,
      DEAD_LETTERS_STORM_PERCENT: 100,
      DEAD_LETTERS_TOPIC: `${name}.letters`,
      HTTP_PORT: 0,
    });
    this.#relay = new RelayProcess({
      env: { ...env, MALLOC_ARENA_MAX: '2' }, // as the Dockerfile sets it
      nodeFlags: [`--max-old-space-size=${heapMb}`],
    });
    await this.#relay.streaming();
  }

  async stop(): Promise<void> {
    await this.#relay?.stop();
    await Promise.allSettled(this.#ending.map((end) => end()));
    await this.#pool.end();
  }

  async all(): Promise<HostileReport> {
    const { rows, seed, onProgress } = this.#options;
    const startMs = performance.now();
    const hostile = hostileRows(this.#random, this.#names);
    const relay = this.#relay!;
    for (let done = 0; done < rows && this.#breaches.length < breachesMax && !relay.hasEnded; ) {
      const batch = Math.min(batchPairs, rows - done);
      await this.#sendBatch(hostile, done, batch);
      done += batch;
      if (done % 100 < batchPairs)
        onProgress?.(`${done} of ${rows} rows, peak ${Math.round(this.#lookAtMemory())} MB`);
    }
    const byCode = await this.#account();
    const peakMb = this.#lookAtMemory();
    // More than one means that a session failed. The state also stands beside other messages.
    const sessions = relay.lines.filter(({ msg }) => msg === 'streaming').length;
    if (relay.hasEnded) this.#breach(`the relay ended: ${describeExit(await relay.exited)}`);
    if (sessions !== 1) this.#breach(`the relay began ${sessions} sessions`);
    if (relay.hasEnded || sessions !== 1) this.#breach(relay.tail);
    if (peakMb > memoryMaxMb) this.#breach(`the relay took ${Math.round(peakMb)} MB`);
    const latencies = this.#latenciesMs.toSorted((a, b) => a - b);
    const published = [...this.#sent.values()].filter(
      ({ id }) => id !== null && this.#arrived.has(id),
    ).length;
    return {
      rows: this.#sent.size,
      seed,
      published,
      byCode,
      kinds: new Set([...this.#sent.values()].map(({ kind }) => kind)).size,
      slowestMs: Math.round(latencies.at(-1) ?? 0),
      medianMs: Math.round(percentile(latencies, 0.5)),
      peakMb: Math.round(peakMb),
      seconds: Math.round((performance.now() - startMs) / 1000),
      breaches: this.#breaches,
    };
  }

  /** Resident at most so far, in MB. */
  #lookAtMemory(): number {
    try {
      const status = readFileSync(`/proc/${this.#relay!.pid}/status`, 'utf8');
      this.#peakMb = Math.max(this.#peakMb, Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024);
    } catch {
      // It has ended, or this is no Linux.
    }
    return this.#peakMb;
  }

  async #sendBatch(hostile: Generator<HostileRow>, from: number, count: number): Promise<void> {
    const good: { id: string; committedMs: number; behind: string }[] = [];
    for (let index = from; index < from + count; index++) {
      const { kind, columns } = hostile.next().value as HostileRow;
      // Identifies the row afterwards, whatever its columns hold: the time it was written, to the microsecond.
      const token = String(index);
      const id = await this.#insert({ ...this.#goodRow(index), ...columns }, token);
      this.#sent.set(token, { kind, id });
      const next = `good-${index}`;
      await this.#insert({ ...this.#goodRow(index), id: next }, null);
      good.push({ id: next, committedMs: performance.now(), behind: `${kind} (row ${index})` });
    }
    for (const { id, committedMs, behind } of good) {
      const came = await this.#untilArrived(id, committedMs + patienceMs);
      if (came === undefined) return void this.#breach(`no event arrived behind ${behind}`);
      const lateBy = came - committedMs;
      this.#latenciesMs.push(Math.max(0, lateBy));
      if (lateBy > lateMs) this.#breach(`the event behind ${behind} arrived after ${Math.round(lateBy)} ms`);
    }
  }

  #goodRow(index: number): Record<Role, Cell> {
    const { topic, type } = this.#names;
    const payload = JSON.stringify({ key: 'k', seq: index, note: null });
    return {
      id: `hostile-${index}`,
      aggregatetype: topic,
      aggregateid: `k${index % 7}`,
      type,
      payload,
      headers: null,
    };
  }

  /** @returns its id, as the table has it */
  async #insert(columns: Record<Role, Cell>, token: string | null): Promise<string | null> {
    const values: (string | null)[] = [token];
    const cells = roles.map((role) => {
      const cell = columns[role];
      return cell !== null && typeof cell === 'object' ? cell.sql : `$${values.push(cell)}`;
    });
    const { rows } = await this.#pool.query<{ id: string | null }>(
      `insert into public.${this.#name} (created_at, ${roles.join()})
       values ($1::int * interval '1 microsecond' + timestamptz '${epoch}', ${cells.join()}) returning id`,
      values,
    );
    return rows[0]!.id;
  }

  async #untilArrived(id: string, untilMs: number): Promise<number | undefined> {
    const relay = this.#relay!;
    for (;;) {
      const came = this.#arrived.get(id);
      if (came !== undefined) return came.atMs;
      if (performance.now() > untilMs || relay.hasEnded) return undefined;
      await this.#nextRecord();
    }
  }

  /** Resolves with the next record, or after a moment, to check whether the relay still runs. */
  #nextRecord(): Promise<unknown> {
    return Promise.race([new Promise<void>((resolve) => (this.#wake = resolve)), delay(250)]);
  }

  /** Each hostile row is a record or a dead letter, and each dead letter has its copy. */
  async #account(): Promise<Record<string, number>> {
    const { rows } = await this.#pool.query<{
      token: string;
      code: string;
      count: string;
      is_empty: boolean;
    }>(
      `select coalesce((extract(epoch from event_created_at::timestamptz - timestamptz '${epoch}') * 1000000)::bigint::text,
                       'good') as token, code, count(*) as count
         from outbox.dead_letter where slot = $1 group by 1, 2`,
      [this.#name],
    );
    const letters = new Map<string, number>();
    const byCode: Record<string, number> = {};
    for (const { token, code, count } of rows) {
      letters.set(token, (letters.get(token) ?? 0) + Number(count));
      byCode[code] = (byCode[code] ?? 0) + Number(count);
      if (code === 'INTERNAL' || code === 'ENCODING_FAILED')
        this.#breach(
          `${this.#sent.get(token)?.kind ?? 'a valid event'} (${token}) hit a bug in the relay: ${code}`,
        );
    }
    if (letters.has('good')) this.#breach(`${letters.get('good')} valid events are dead letters`);
    for (const [token, { kind, id }] of this.#sent) {
      const records = id === null ? 0 : (this.#arrived.get(id)?.count ?? 0);
      const sum = records + (letters.get(token) ?? 0);
      // Rows of one id share their records, which only their number tells apart.
      if (sum !== 1 && !(records > 1 && this.#sameId(id) === records))
        this.#breach(`${kind} (${token}): ${records} records, ${letters.get(token) ?? 0} dead letters`);
    }
    const doubled = [...this.#arrived].filter(([id, { count }]) => id.startsWith('good-') && count !== 1);
    if (doubled.length > 0) this.#breach(`${doubled.length} valid events arrived more than once`);
    const total = [...letters.values()].reduce((sum, count) => sum + count, 0);
    // In another topic, and so possibly read later than the last valid event.
    const untilMs = performance.now() + copiesWaitMs;
    while (this.#copies < total && performance.now() < untilMs) await this.#nextRecord();
    if (this.#copies !== total) this.#breach(`${total} dead letters have ${this.#copies} copies`);
    return byCode;
  }

  #sameId(id: string | null): number {
    return [...this.#sent.values()].filter((sent) => sent.id === id).length;
  }

  #breach(text: string): void {
    if (this.#breaches.length < breachesMax) this.#breaches.push(text);
  }

  async #createTopics(): Promise<void> {
    const topics = [this.#name, `${this.#name}.letters`];
    await createTopics(
      this.#kafka,
      topics.map((topic) => ({ topic, numPartitions: 1 })),
    );
    this.#ending.push(() =>
      withAdmin(this.#kafka, (admin) =>
        admin.deleteTopics({ topics: [...topics, `${this.#name}.progress`] }),
      ),
    );
  }

  async #follow(): Promise<void> {
    const reader = new TopicReader({
      kafka: this.#kafka,
      topics: [this.#name, `${this.#name}.letters`],
      onRecord: (topic, _partition, { headers }) => {
        if (topic === this.#name) this.#arrive(String(headers?.id ?? ''));
        else this.#copies += 1;
        this.#wake();
      },
    });
    await reader.start();
    this.#ending.unshift(() => reader.stop());
  }

  #arrive(id: string): void {
    const before = this.#arrived.get(id);
    this.#arrived.set(id, { count: (before?.count ?? 0) + 1, atMs: before?.atMs ?? performance.now() });
  }
}
