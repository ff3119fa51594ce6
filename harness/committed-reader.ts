/**
 * A `read_committed` consumer that follows topics while their brokers die: one loop per broker, no state but the next
 * offset of each partition. It hands over committed records in offset order, with the number of the Kafka transaction
 * they came in, counted by the markers.
 */
import { setTimeout as delay } from 'node:timers/promises';
import {
  BrokerConnection,
  type Fetched,
  fetchRecords,
  type KafkaRecord,
  type Metadata,
  producerName,
  readMetadata,
} from './kafka-wire.ts';

export type CommittedRecord = KafkaRecord & {
  readonly topic: string;
  readonly partition: number;
  /** The producer of that transaction, `id/epoch`. */
  readonly producer: string;
  /** Names the Kafka transaction within the partition; undefined outside one. */
  readonly transaction: string | undefined;
};

const waitMs = 100;
const timeoutMs = 1_500;
const offsetOutOfRange = 1;

type Partition = {
  readonly topic: string;
  readonly partition: number;
  next: bigint;
  /** By producer id, how many of its transactions ended here. */
  readonly ended: Map<bigint, number>;
  /** By offset, what was handed over: a stale leader repeats records, a new topic brings others. */
  readonly handed: string[];
};

export class CommittedReader {
  readonly #bootstrap: readonly string[];
  readonly #topics: readonly string[];
  readonly #onRecord: (record: CommittedRecord) => void;
  readonly #partitions = new Map<string, Partition>();
  readonly #connections = new Set<BrokerConnection>();
  readonly #loops = new Map<number, Promise<void>>();
  #metadata: Metadata = { brokers: new Map(), leaders: [] };
  #isStopped = false;
  #running: Promise<void> | undefined;

  constructor(
    bootstrap: readonly string[],
    topics: readonly string[],
    onRecord: (record: CommittedRecord) => void,
  ) {
    this.#bootstrap = bootstrap;
    this.#topics = topics;
    this.#onRecord = onRecord;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Resolves when nothing is read any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const connection of this.#connections) connection.close();
    await this.#running;
    await Promise.all(this.#loops.values());
  }

  /** Keeps the metadata up to date, and a loop for each broker. */
  async #run(): Promise<void> {
    while (!this.#isStopped) {
      await this.#refresh();
      for (const nodeId of this.#metadata.brokers.keys())
        if (!this.#loops.has(nodeId))
          this.#loops.set(
            nodeId,
            this.#follow(nodeId).finally(() => this.#loops.delete(nodeId)),
          );
      await delay(250);
    }
  }

  async #refresh(): Promise<void> {
    for (const address of this.#bootstrap) {
      try {
        const metadata = await this.#with(address, (connection) =>
          readMetadata(connection, this.#topics, timeoutMs),
        );
        if (metadata.leaders.length > 0) this.#metadata = metadata;
        if (metadata.leaders.every(({ nodeId }) => nodeId >= 0)) return;
      } catch {
        // The next one may know.
      }
    }
  }

  async #with<T>(address: string, work: (connection: BrokerConnection) => Promise<T>): Promise<T> {
    const connection = await BrokerConnection.open(address, timeoutMs);
    this.#connections.add(connection);
    try {
      return await work(connection);
    } finally {
      this.#connections.delete(connection);
      connection.close();
    }
  }

  /** Until the broker fails; the next refresh starts it again. */
  async #follow(nodeId: number): Promise<void> {
    const address = this.#metadata.brokers.get(nodeId);
    if (address === undefined) return;
    try {
      await this.#with(address, async (connection) => {
        while (!this.#isStopped && connection.isOpen) {
          const parts = this.#metadata.leaders
            .filter((leader) => leader.nodeId === nodeId)
            .map(({ topic, partition }) => this.#partition(topic, partition));
          if (parts.length === 0) return;
          const asked = parts.map(({ topic, partition, next }) => ({ topic, partition, offset: next }));
          const answers = await fetchRecords(connection, asked, waitMs, timeoutMs);
          for (const answer of answers) this.#accept(answer);
          if (answers.some(({ errorCode }) => errorCode !== 0)) return;
        }
      });
    } catch {
      // A broken connection is expected here.
    }
  }

  #partition(topic: string, partition: number): Partition {
    const name = `${topic}/${partition}`;
    let found = this.#partitions.get(name);
    if (found === undefined) {
      found = { topic, partition, next: 0n, ended: new Map(), handed: [] };
      this.#partitions.set(name, found);
    }
    return found;
  }

  #accept({ topic, partition, errorCode, aborted, batches }: Fetched): void {
    const place = this.#partition(topic, partition);
    // The topic was deleted and recreated, or a frozen leader does not know yet that it was replaced.
    if (errorCode === offsetOutOfRange) place.next = 0n;
    if (errorCode !== 0) return;
    const begins = aborted.toSorted((a, b) => Number(a.firstOffset - b.firstOffset));
    const aborting = new Set<bigint>();
    for (const batch of batches) {
      for (; begins.length > 0 && begins[0]!.firstOffset <= batch.lastOffset; begins.shift())
        aborting.add(begins[0]!.producerId);
      const { producerId, marker } = batch;
      const ended = place.ended.get(producerId) ?? 0;
      if (marker === 'abort') aborting.delete(producerId);
      // A batch can come again with its beginning: offsets below were handed over.
      const isNew = batch.lastOffset >= place.next;
      if (marker !== undefined && isNew) place.ended.set(producerId, ended + 1);
      if (!(batch.isTransactional && aborting.has(producerId)))
        for (const record of batch.records)
          if (record.offset >= place.next && isNewTo(place, record))
            this.#onRecord({
              ...record,
              topic,
              partition,
              producer: producerName(producerId, batch.producerEpoch),
              transaction: batch.isTransactional ? `${topic}/${partition}/${producerId}/${ended}` : undefined,
            });
      if (isNew) place.next = batch.lastOffset + 1n;
    }
  }
}

function isNewTo({ handed }: Partition, { offset, headers, value }: KafkaRecord): boolean {
  const content = headers.id ?? value?.toString() ?? '';
  if (handed[Number(offset)] === content) return false;
  handed[Number(offset)] = content;
  return true;
}
