/**
 * Reads how far consumer groups are behind. Promise: a number covers exactly the partitions in which the group has
 * committed an offset; where it has not, nobody can tell where it would begin.
 */
import type { Admin } from 'kafkajs';
import { kafkaError } from '../connect/kafka.ts';
import type { ConsumerLag } from '../observe/facts.ts';

/** Topics of a group that are looked at, each with one request. */
const topicsMax = 100;

/** Ends of partitions, by topic. Each topic is asked once in a look, for all groups. */
export class TopicEnds {
  readonly #admin: Admin;
  readonly #ends = new Map<string, Promise<ReadonlyMap<number, End>>>();

  constructor(admin: Admin) {
    this.#admin = admin;
  }

  of(topic: string): Promise<ReadonlyMap<number, End>> {
    const known = this.#ends.get(topic) ?? this.#read(topic);
    this.#ends.set(topic, known);
    return known;
  }

  /** The client asks as `read_committed`: up to the first record of an open transaction, which no consumer gets past. */
  async #read(topic: string): Promise<ReadonlyMap<number, End>> {
    const partitions = await this.#admin.fetchTopicOffsets(topic);
    return new Map(
      partitions.map(({ partition, low, high }) => [partition, { low: BigInt(low), high: BigInt(high) }]),
    );
  }
}

export type LagOfGroup = {
  readonly lags: ConsumerLag[];
  /** In which the group has committed offsets too, and of which nothing was read. */
  readonly topicsLeftOut: number;
};

type End = { readonly low: bigint; readonly high: bigint };

/**
 * By topic, for those among `topics` in which the group has committed an offset. None where the group does not exist.
 * @throws RelayError KAFKA_*
 */
export async function readConsumerLag(
  admin: Admin,
  group: string,
  topics: (name: string) => boolean,
  ends: TopicEnds,
): Promise<LagOfGroup> {
  try {
    // The offsets before the ends: a group that commits in between is behind, not ahead.
    const committed = await admin.fetchOffsets({ groupId: group });
    const lags: ConsumerLag[] = [];
    const wanted = committed.filter(({ topic }) => topics(topic));
    for (const { topic, partitions } of wanted.slice(0, topicsMax)) {
      const offsets = new Map(
        partitions
          .map(({ partition, offset }) => [partition, BigInt(offset)] as const)
          .filter(([, offset]) => offset >= 0n),
      );
      if (offsets.size > 0) lags.push({ group, topic, ...lagIn(await ends.of(topic), offsets) });
    }
    return { lags, topicsLeftOut: Math.max(0, wanted.length - topicsMax) };
  } catch (error) {
    throw kafkaError(error, `reading the offsets of consumer group ${group}`);
  }
}

function lagIn(ends: ReadonlyMap<number, End>, committed: ReadonlyMap<number, bigint>) {
  let offsets = 0n;
  let uncommittedPartitions = 0;
  for (const [partition, { low, high }] of ends) {
    const offset = committed.get(partition);
    if (offset === undefined) uncommittedPartitions += high > low ? 1 : 0;
    else if (high > offset) offsets += high - offset;
  }
  return { offsets: Number(offsets), uncommittedPartitions };
}
