/**
 * Remembers the last record of the connector in each partition: what it is like shows what the connector does now, also
 * where it has published everything. Some hundred bytes for each partition.
 */
import type { TopicRecord } from '../../audit/read-topics.ts';
import { murmur2 } from '../../encode/murmur2.ts';

type Seen = {
  readonly id: string;
  readonly topic: string;
  readonly partition: number;
  /** Hash of its key, as the partitioner takes it; undefined without a key. */
  readonly keyHash: number | undefined;
  readonly names: readonly string[];
};

type Record = Pick<TopicRecord, 'topic' | 'partition' | 'key' | 'headers'>;

export class LastRecords {
  readonly #last = new Map<string, Map<number, Seen>>();

  note(id: string, { topic, partition, key, headers }: Record): void {
    let ofTopic = this.#last.get(topic);
    if (ofTopic === undefined) {
      ofTopic = new Map();
      this.#last.set(topic, ofTopic);
    }
    // Only what is needed: the buffers of a record belong to the answer of a broker.
    const keyHash = key === null ? undefined : murmur2(key) & 0x7fff_ffff;
    ofTopic.set(partition, { id, topic, partition, keyHash, names: headers.map(([name]) => name) });
  }

  get headerNames(): ReadonlySet<string> {
    return new Set([...this.#all()].flatMap(({ names }) => names));
  }

  /** The ids of those that are not in the partition that the hash of their key leads to. */
  elsewhere(partitions: ReadonlyMap<string, number>): string[] {
    const ids: string[] = [];
    for (const { id, topic, partition, keyHash } of this.#all()) {
      const count = partitions.get(topic);
      if (keyHash !== undefined && count !== undefined && keyHash % count !== partition) ids.push(id);
    }
    return ids;
  }

  *#all(): Generator<Seen> {
    for (const ofTopic of this.#last.values()) yield* ofTopic.values();
  }
}
