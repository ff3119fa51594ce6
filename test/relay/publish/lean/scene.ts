/** What a test of the lean producer needs: a topic and a progress of its own, and publishers that fence each other. */
import { Kafka, logLevel } from 'kafkajs';
import { pino } from 'pino';
import type { Settings } from '../../../../harness/relay-process.ts';
import type { TcpProxy } from '../../../../harness/tcp-proxy.ts';
import type { Config } from '../../../../relay/config/config.ts';
import { createKafka } from '../../../../relay/connect/kafka.ts';
import type { OutboundRecord } from '../../../../relay/encode/record.ts';
import type { Progress } from '../../../../relay/model/progress.ts';
import { LeanPublisher } from '../../../../relay/publish/lean/lean-publisher.ts';
import { ProgressTail } from '../../../../relay/publish/progress-topic.ts';
import { createProgressTopic, createTopic } from '../../../support/kafka.ts';
import { servers } from '../../../support/servers.ts';
import { unique } from '../../../support/unique.ts';
import { configOf } from '../../settings.ts';
import { recordOf } from '../records.ts';

export type SceneOptions = {
  readonly partitions?: number;
  readonly brokers?: readonly string[];
  readonly settings?: Settings;
  /** A proxy for the publishers; the tail connects directly. */
  readonly proxy?: TcpProxy;
};

export class Scene implements AsyncDisposable {
  readonly config: Config;
  readonly topic: string;
  readonly brokers: readonly string[];
  /** A client as the relay creates it. */
  readonly kafka: Kafka;
  readonly tail: ProgressTail;
  readonly #proxy: TcpProxy | undefined;
  readonly #publishers: LeanPublisher[] = [];
  #events = 0;

  private constructor(config: Config, topic: string, brokers: readonly string[], proxy?: TcpProxy) {
    this.config = config;
    this.topic = topic;
    this.brokers = brokers;
    this.#proxy = proxy;
    this.kafka = createKafka(config, pino({ level: 'silent' }));
    this.tail = new ProgressTail(this.kafka, { topic: config.kafka.progressTopic, slot: config.slot.name });
  }

  static async open(options: SceneOptions = {}): Promise<Scene> {
    const brokers = options.brokers ?? (await servers()).brokers;
    const settings = {
      SLOT: unique('slot'),
      KAFKA_PROGRESS_TOPIC: unique('progress'),
      ...options.settings,
    };
    const config = configOf(settings, { brokers });
    const topic = await createTopic('lean', options.partitions ?? 1, brokers);
    await createProgressTopic(config.kafka.progressTopic, brokers);
    const scene = new Scene(config, topic, brokers, options.proxy);
    await scene.tail.start();
    return scene;
  }

  get transactionalId(): string {
    return `${this.config.kafka.transactionalIdPrefix}.${this.config.slot.name}`;
  }

  async publisher(): Promise<LeanPublisher> {
    const publisher = await LeanPublisher.fence(this.client(), this.config);
    this.#publishers.push(publisher);
    return publisher;
  }

  /** Publishes the records in one transaction, with a progress that counts them. */
  async publish(publisher: LeanPublisher, records: readonly Partial<OutboundRecord>[]): Promise<void> {
    const batch = publisher.newBatch();
    for (const record of records) batch.append(recordOf({ topic: this.topic, ...record }));
    await publisher.commit(batch, this.progress(this.#events + records.length));
    this.#events += records.length;
  }

  progress(eventCount: number): Progress {
    return {
      slot: this.config.slot.name,
      systemIdentifier: '7',
      timeline: 1,
      endLsn: BigInt(eventCount),
      partial: null,
      beat: 0,
      eventCount,
      instance: 'test',
      time: '2026-01-02T03:04:05.678Z',
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#publishers.map((publisher) => publisher.close()), this.tail.stop()]);
  }

  /** A client that connects through the proxy, if there is one. */
  client(): Kafka {
    if (this.#proxy === undefined) return this.kafka;
    const { requestTimeoutMs } = this.config.kafka;
    return new Kafka({
      clientId: 'through-proxy',
      brokers: [...this.brokers],
      socketFactory: this.#proxy.socketFactory,
      requestTimeout: requestTimeoutMs,
      logLevel: logLevel.NOTHING,
    });
  }
}
