/**
 * Reads how many bytes partitions take on the disks of their leaders. Changes nothing. Promise: a size that no broker says is
 * left out, and never 0; also where the right is missing, which is Describe of the cluster.
 * @see https://kafka.apache.org/protocol#The_Messages_DescribeLogDirs
 */
import type { ITopicMetadata, Kafka } from 'kafkajs';
import { Fields, textBytes } from './wire/fields.ts';
import { Decoder, supports, type Throttled } from './wire/kafkajs-internals.ts';
import { Wire, type WireRequest } from './wire/kafkajs-wire.ts';

/** By topic and partition. */
export type LogSizes = ReadonlyMap<string, ReadonlyMap<number, number>>;

type Described = Pick<ITopicMetadata, 'name' | 'partitions'>;
type Wanted = ReadonlyMap<string, readonly number[]>;

/** @throws the client's errors */
export async function readLogSizes(kafka: Kafka, topics: readonly Described[]): Promise<LogSizes> {
  const sizes = new Map<string, Map<number, number>>();
  if (topics.length === 0) return sizes;
  const wire = await Wire.open(kafka, []);
  try {
    const answers = [...byLeader(topics)].map(async ([leader, wanted]) => {
      const broker = await wire.broker(leader);
      if (!supports(broker, api)) return [];
      return (await wire.send(broker, logDirsRequest(wanted), decodeLogDirs)).logs;
    });
    for (const { topic, partition, bytes } of (await Promise.all(answers)).flat())
      sizes.set(topic, (sizes.get(topic) ?? new Map<number, number>()).set(partition, bytes));
    return sizes;
  } finally {
    await wire.close();
  }
}

/** A follower may be behind, and a partition without a leader has none that counts. */
function byLeader(topics: readonly Described[]): Map<number, Map<string, number[]>> {
  const leaders = new Map<number, Map<string, number[]>>();
  for (const { name, partitions } of topics)
    for (const { partitionId, leader } of partitions) {
      if (leader < 0) continue;
      const own = leaders.get(leader) ?? new Map<string, number[]>();
      leaders.set(leader, own.set(name, [...(own.get(name) ?? []), partitionId]));
    }
  return leaders;
}

/** The last version that is not flexible. Kafka 4 has it, too. */
const api = { apiKey: 35, apiName: 'DescribeLogDirs', apiVersion: 1 } as const;

function logDirsRequest(wanted: Wanted): WireRequest {
  const sizes = [...wanted].map(([topic, partitions]) => textBytes(topic) + 4 + 4 * partitions.length);
  const fields = new Fields(4 + sizes.reduce((sum, size) => sum + size, 0));
  fields.int32(wanted.size);
  for (const [topic, partitions] of wanted) {
    fields.string(topic);
    fields.int32(partitions.length);
    for (const partition of partitions) fields.int32(partition);
  }
  return { ...api, body: [fields.bytes] };
}

type LogSize = { readonly topic: string; readonly partition: number; readonly bytes: number };

async function decodeLogDirs(payload: Buffer): Promise<Throttled & { readonly logs: readonly LogSize[] }> {
  const decoder = new Decoder(payload);
  const clientSideThrottleTime = decoder.readInt32();
  const logs: LogSize[] = [];
  // None where the right is missing. A disk that failed has an error code and names no partition.
  decoder.readArray(() => {
    decoder.readInt16();
    decoder.readString();
    decoder.readArray(() => {
      const topic = decoder.readString() ?? '';
      decoder.readArray(() => {
        const partition = decoder.readInt32();
        const bytes = Number(decoder.readInt64());
        decoder.readInt64(); // how far it is behind
        const isFuture = decoder.readInt8() !== 0;
        if (!isFuture) logs.push({ topic, partition, bytes });
      });
    });
  });
  return { clientSideThrottleTime, logs };
}
