/**
 * Decodes the few requests that the relay encodes itself, and encodes the answers. So the relay's encoding is a part of the
 * simulation. The layouts are those of the message definitions of Kafka 4.3 (clients/src/main/resources/common/message).
 */
import { type DecodedBatch, decodeBatch, type FetchedBatches, type Place } from './batches.ts';
import { Reader, Writer } from './bytes.ts';

type Identity = {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly epoch: number;
};

type Versioned = { readonly version: number };

export type DecodedRequest = Versioned &
  (
    | {
        readonly api: 'Produce';
        readonly transactionalId: string;
        readonly batches: readonly DecodedBatch[];
      }
    | (Identity & { readonly api: 'AddPartitionsToTxn'; readonly partitions: readonly Place[] })
    | (Identity & { readonly api: 'EndTxn'; readonly isCommit: boolean })
    | (Identity & { readonly api: 'InitProducerId'; readonly timeoutMs: number })
    | { readonly api: 'ApiVersions' }
    | { readonly api: 'Metadata'; readonly topics: readonly string[] }
    | (Place & {
        readonly api: 'Fetch';
        readonly fromOffset: number;
        readonly maxWaitMs: number;
        readonly isCommitted: boolean;
      })
    | { readonly api: 'ListOffsets'; readonly isCommitted: boolean; readonly partitions: readonly Place[] }
    | { readonly api: 'DescribeProducers'; readonly partitions: readonly Place[] }
    | { readonly api: 'DescribeTransactions'; readonly transactionalId: string }
  );

type Api = DecodedRequest['api'];

/** Key, and the first version with compact lengths and tagged fields. */
const apis: Readonly<Record<Api, { readonly key: number; readonly flexibleFrom: number }>> = {
  Produce: { key: 0, flexibleFrom: 9 },
  Fetch: { key: 1, flexibleFrom: 12 },
  ListOffsets: { key: 2, flexibleFrom: 6 },
  Metadata: { key: 3, flexibleFrom: 9 },
  ApiVersions: { key: 18, flexibleFrom: 3 },
  InitProducerId: { key: 22, flexibleFrom: 2 },
  AddPartitionsToTxn: { key: 24, flexibleFrom: 3 },
  EndTxn: { key: 26, flexibleFrom: 3 },
  DescribeProducers: { key: 61, flexibleFrom: 0 },
  DescribeTransactions: { key: 65, flexibleFrom: 0 },
};

const isFlexible = (api: Api, version: number) => version >= apis[api].flexibleFrom;

const headBytes = 14;

/** @param bytes with size and request header */
export function decodeRequest(bytes: Buffer): DecodedRequest {
  const key = bytes.readInt16BE(4);
  const version = bytes.readInt16BE(6);
  const api = (Object.keys(apis) as Api[]).find((name) => apis[name].key === key);
  if (api === undefined) throw new Error(`unknown request ${key}`);
  const reader = new Reader(
    bytes.subarray(headBytes + Math.max(0, bytes.readInt16BE(12))),
    isFlexible(api, version),
  );
  reader.tags();
  return decode(api, version, reader);
}

function decode(api: Api, version: number, reader: Reader): DecodedRequest {
  switch (api) {
    case 'Fetch':
      return decodeFetch(version, reader);
    case 'ApiVersions':
      return { api, version };
    case 'Metadata':
      return { api, version, topics: reader.list(() => reader.string()) };
    case 'Produce':
      return { api, version, transactionalId: reader.string(), batches: decodeProduce(reader) };
    case 'InitProducerId': {
      const transactionalId = reader.string();
      const timeoutMs = reader.int32();
      const [producerId, epoch] = version >= 3 ? [reader.int64(), reader.int16()] : [-1, -1];
      return { api, version, transactionalId, timeoutMs, producerId, epoch };
    }
    case 'EndTxn':
      return { api, version, ...decodeIdentity(reader), isCommit: reader.byte() === 1 };
    case 'ListOffsets':
      return { api, version, ...decodeListOffsets(reader) };
    case 'DescribeProducers':
      return { api, version, partitions: decodePartitions(reader) };
    case 'DescribeTransactions':
      return { api, version, transactionalId: reader.list(() => reader.string())[0]! };
    case 'AddPartitionsToTxn':
      return { api, version, ...decodeIdentity(reader), partitions: decodePartitions(reader) };
  }
}

function decodeIdentity(reader: Reader): Identity {
  return { transactionalId: reader.string(), producerId: reader.int64(), epoch: reader.int16() };
}

function decodePartitions(reader: Reader): Place[] {
  const topics = reader.list(() => {
    const topic = reader.string();
    const places = reader.list(() => ({ topic, partition: reader.int32() }));
    reader.tags();
    return places;
  });
  return topics.flat();
}

/** Of one partition. */
function decodeFetch(version: number, reader: Reader): DecodedRequest {
  reader.int32();
  const maxWaitMs = reader.int32();
  reader.int32();
  reader.int32();
  const isCommitted = reader.byte() === 1;
  reader.int32();
  const topic = reader.string();
  reader.int32();
  const partition = reader.int32();
  return { api: 'Fetch', version, topic, partition, fromOffset: reader.int64(), maxWaitMs, isCommitted };
}

function decodeListOffsets(reader: Reader): { isCommitted: boolean; partitions: Place[] } {
  reader.int32();
  const isCommitted = reader.byte() === 1;
  const partitions = reader.list(() => {
    const topic = reader.string();
    return reader.list(() => {
      const partition = reader.int32();
      reader.int32();
      reader.int64();
      return { topic, partition };
    });
  });
  return { isCommitted, partitions: partitions.flat() };
}

function decodeProduce(reader: Reader): DecodedBatch[] {
  reader.int16();
  reader.int32();
  const topics = reader.list(() => {
    const topic = reader.string();
    const batches = reader.list(() => {
      const batch = decodeBatch({ topic, partition: reader.int32() }, reader.bytes());
      reader.tags();
      return batch;
    });
    reader.tags();
    return batches;
  });
  return topics.flat();
}

/** Begins the answer to a request of this version. */
function answerTo(api: Api, version: number): Writer {
  // The header of the answer to ApiVersions has no tagged fields, since the client cannot know yet what the broker speaks.
  const writer = new Writer(isFlexible(api, version));
  return api === 'ApiVersions' ? writer : writer.tags();
}

function byTopic<T extends Place>(items: readonly T[]): [string, T[]][] {
  return [...Map.groupBy(items, ({ topic }) => topic)];
}

export type Produced = Place & { readonly error: number; readonly offset: number };

export function encodeProduceAnswer(answers: readonly Produced[], version = 7): Buffer {
  const writer = answerTo('Produce', version);
  const write = ({ partition, error, offset }: Produced) => {
    // No time of the log, and its start.
    writer.int32(partition).int16(error).int64(offset).int64(-1).int64(0);
    if (version >= 8) writer.list([], () => {}).noString();
    writer.tags();
  };
  writer.list(byTopic(answers), ([topic, group]) => writer.string(topic).list(group, write).tags());
  return writer.int32(0).tags().bytes;
}

export function encodeAddPartitionsAnswer(partitions: readonly Place[], error: number, version = 1): Buffer {
  const writer = answerTo('AddPartitionsToTxn', version).int32(0);
  const write = ({ partition }: Place) => writer.int32(partition).int16(error).tags();
  writer.list(byTopic(partitions), ([topic, group]) => writer.string(topic).list(group, write).tags());
  return writer.tags().bytes;
}

/** The identity that a producer goes on with. */
export type Identified = { readonly producerId: number; readonly epoch: number };

export const unidentified: Identified = { producerId: -1, epoch: -1 };

export function encodeEndTxnAnswer(
  error: number,
  version = 1,
  { producerId, epoch }: Identified = unidentified,
): Buffer {
  const writer = answerTo('EndTxn', version).int32(0).int16(error);
  if (version >= 5) writer.int64(producerId).int16(epoch);
  return writer.tags().bytes;
}

export function encodeInitAnswer(
  error: number,
  version = 1,
  { producerId, epoch }: Identified = unidentified,
): Buffer {
  const writer = answerTo('InitProducerId', version).int32(0).int16(error);
  return writer.int64(producerId).int16(epoch).tags().bytes;
}

/** Of partitions that were asked for their end. */
export function encodeListOffsetsAnswer(ends: readonly Produced[], version = 5): Buffer {
  const writer = answerTo('ListOffsets', version).int32(0);
  const write = ({ partition, error, offset }: Produced) =>
    writer.int32(partition).int16(error).int64(-1).int64(offset).int32(0);
  writer.list(byTopic(ends), ([topic, group]) => writer.string(topic).list(group, write));
  return writer.bytes;
}

/** A topic as brokers know it. */
export type KnownTopic = {
  readonly topic: string;
  readonly error: number;
  /** The leader is -1 where there is none. */
  readonly partitions: readonly { readonly partition: number; readonly leader: number }[];
};

/** Names no broker: the clients of the model know them. */
export function encodeMetadataAnswer(topics: readonly KnownTopic[], version = 5): Buffer {
  const writer = answerTo('Metadata', version).int32(0);
  const none: readonly never[] = [];
  writer
    .list(none, () => {})
    .noString()
    .int32(-1);
  writer.list(topics, ({ topic, error, partitions }) => {
    writer.int16(error).string(topic).byte(0);
    writer.list(partitions, ({ partition, leader }) => {
      writer.int16(0).int32(partition).int32(leader);
      // Replicas, those in sync, those that are offline.
      for (let i = 0; i < 3; i++) writer.list(none, () => {});
    });
  });
  return writer.bytes;
}

/** A partition, and the producer that has a transaction open there, if any. */
export type OpenProducer = Place & {
  readonly error: number;
  readonly producer?: { readonly producerId: number; readonly firstOffset: number };
};

export function encodeDescribeProducersAnswer(partitions: readonly OpenProducer[]): Buffer {
  const writer = answerTo('DescribeProducers', 0).int32(0);
  const write = ({ partition, error, producer }: OpenProducer) => {
    writer.int32(partition).int16(error).noString();
    writer.list(producer === undefined ? [] : [producer], ({ producerId, firstOffset }) => {
      writer.int64(producerId).int32(0).int32(0).int64(-1).int32(0).int64(firstOffset).tags();
    });
    writer.tags();
  };
  writer.list(byTopic(partitions), ([topic, group]) => writer.string(topic).list(group, write).tags());
  return writer.tags().bytes;
}

/** A transactional id as its coordinator describes it. */
export type Described = Identified & {
  readonly state: string;
  readonly timeoutMs: number;
  readonly partitions: readonly Place[];
};

export function encodeDescribeTransactionsAnswer(
  transactionalId: string,
  error: number,
  described?: Described,
): Buffer {
  const {
    state = '',
    timeoutMs = 0,
    producerId,
    epoch,
    partitions = [],
  } = described ?? (unidentified as Partial<Described> & Identified);
  const writer = answerTo('DescribeTransactions', 0).int32(0);
  writer.list([error], () => {
    writer
      .int16(error)
      .string(transactionalId)
      .string(state)
      .int32(timeoutMs)
      .int64(-1)
      .int64(producerId)
      .int16(epoch);
    writer.list(byTopic(partitions), ([topic, group]) =>
      writer
        .string(topic)
        .list(group, ({ partition }) => writer.int32(partition))
        .tags(),
    );
    writer.tags();
  });
  return writer.tags().bytes;
}

/** What a broker says of itself. */
export type Supported = {
  readonly versions: Readonly<Record<number, { readonly minVersion: number; readonly maxVersion: number }>>;
  /** The finalized level of `transaction.version`; undefined in a cluster that does not know the feature. */
  readonly transactionVersion: number | undefined;
  /** Rises with each change of a feature. */
  readonly featuresEpoch: number;
};

export function encodeApiVersionsAnswer(
  { versions, transactionVersion, featuresEpoch }: Supported,
  version = 3,
): Buffer {
  const writer = answerTo('ApiVersions', version).int16(0);
  writer.list(Object.entries(versions), ([key, { minVersion, maxVersion }]) =>
    writer.int16(Number(key)).int16(minVersion).int16(maxVersion).tags(),
  );
  writer.int32(0);
  const name = 'transaction.version';
  // A feature at level 0 is not listed as finalized.
  const finalized = transactionVersion === undefined || transactionVersion === 0 ? [] : [transactionVersion];
  const supported = transactionVersion === undefined ? [] : [2];
  return writer.tagged({
    0: features(supported.map((level) => ({ name, levels: [0, level] }))),
    1: new Writer().int64(featuresEpoch).bytes,
    2: features(finalized.map((level) => ({ name, levels: [level, level] }))),
  }).bytes;
}

function features(list: readonly { readonly name: string; readonly levels: readonly number[] }[]): Buffer {
  const writer = new Writer(true);
  writer.list(list, ({ name, levels }) => {
    writer.string(name);
    for (const level of levels) writer.int16(level);
    writer.tags();
  });
  return writer.bytes;
}

export function encodeFetchAnswer(answer: FetchedBatches): Buffer {
  const { topic, partition, stableOffset, aborted, batches } = answer;
  const writer = new Writer().int32(0).int32(1).string(topic).int32(1).int32(partition).int16(0);
  writer.int64(stableOffset).int64(stableOffset);
  writer.list(aborted, ({ producerId, firstOffset }) => writer.int64(producerId).int64(firstOffset));
  return writer.raw(Buffer.concat(batches)).bytes;
}
