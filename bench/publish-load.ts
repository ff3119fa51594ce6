/**
 * Publishes the same records again and again through a producer of the relay, without the relay. CPU is user and system time
 * of the process for each event, so it holds on a busy machine too.
 */
import { randomUUID } from 'node:crypto';
import type { Kafka } from 'kafkajs';
import { pino } from 'pino';
import { relayEnv } from '../harness/relay-process.ts';
import { type Config, loadConfig } from '../relay/config/config.ts';
import { createKafka } from '../relay/connect/kafka.ts';
import type { OutboundRecord } from '../relay/encode/record.ts';
import type { Progress } from '../relay/model/progress.ts';
import type { Batch, Publisher } from '../relay/publish/publisher.ts';

/** Events of a transaction, and how many transactions are measured. */
export type Load = { readonly events: number; readonly transactions: number };

export type PublishLoad = {
  readonly load: Load;
  readonly broker: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly records: readonly OutboundRecord[];
  readonly fence: (kafka: Kafka, config: Config) => Promise<Publisher>;
  /** Called with each batch that is committed, after the first quarter, which only warms up. */
  readonly onCommitted?: (batch: Batch) => void;
  /** Called between the first quarter and what is measured. */
  readonly onWarm?: () => Promise<void>;
};

export type Published = {
  readonly cpuMicros: number;
  /** Of each transaction, in no order. */
  readonly tookMs: readonly number[];
  readonly elapsedMs: number;
};

export async function publishLoad(options: PublishLoad): Promise<Published> {
  const { broker, settings, records, load, onCommitted } = options;
  const slot = `bench_${randomUUID().slice(0, 8)}`;
  const unused = { databaseUrl: 'postgres://unused.invalid/', registryUrl: 'http://unused.invalid/' };
  const env = relayEnv(
    { ...unused, brokers: [broker] },
    { SLOT: slot, KAFKA_PROGRESS_TOPIC: 'progress', ...settings },
  );
  const { config } = loadConfig({ env });
  const publisher = await options.fence(createKafka(config, pino({ level: 'silent' })), config);
  const progress: Progress = {
    slot,
    systemIdentifier: '7000000000000000001',
    timeline: 1,
    endLsn: 1n,
    partial: null,
    beat: 0,
    eventCount: 1,
    instance: 'bench',
    time: new Date().toISOString(),
  };
  const publish = async (turn: number) => {
    const batch = publisher.newBatch();
    for (let i = 0; i < load.events; i++) batch.append(records[(turn * load.events + i) % records.length]!);
    await publisher.commit(batch, progress);
    return batch;
  };
  for (let i = 0; i < load.transactions / 4; i++) await publish(i);
  await options.onWarm?.();
  const tookMs: number[] = [];
  const before = process.cpuUsage();
  const begunMs = performance.now();
  for (let i = 0; i < load.transactions; i++) {
    const sinceMs = performance.now();
    const batch = await publish(i);
    tookMs.push(performance.now() - sinceMs);
    onCommitted?.(batch);
  }
  const elapsedMs = performance.now() - begunMs;
  const { user, system } = process.cpuUsage(before);
  return { cpuMicros: (user + system) / (load.events * load.transactions), tookMs, elapsedMs };
}
