/**
 * Decodes answers in flexible versions, which kafkajs does not know. Unknown tagged fields are skipped, so that a newer
 * broker may add some.
 * @see https://cwiki.apache.org/confluence/display/KAFKA/KIP-482
 */
import { Decoder, type EndTxnAnswer, type ProduceAnswer, type Throttled } from './kafkajs-internals.ts';

/** Produce, version 12. */
export async function decodeProduce12(payload: Buffer): Promise<ProduceAnswer> {
  const decoder = answerOf(payload);
  const topics =
    decoder.readUVarIntArray(() => {
      const topicName = decoder.readUVarIntString() ?? '';
      const partitions = decoder.readUVarIntArray(() => producedPartition(decoder)) ?? [];
      skipTags(decoder);
      return { topicName, partitions };
    }) ?? [];
  return { topics, clientSideThrottleTime: decoder.readInt32() };
}

function producedPartition(decoder: Decoder): ProduceAnswer['topics'][number]['partitions'][number] {
  const partition = decoder.readInt32();
  const errorCode = decoder.readInt16();
  const baseOffset = String(decoder.readInt64());
  decoder.readInt64(); // time of the append
  decoder.readInt64(); // start of the log
  decoder.readUVarIntArray(() => {
    decoder.readInt32(); // number of a refused record
    decoder.readUVarIntString();
    skipTags(decoder);
  });
  decoder.readUVarIntString(); // message
  skipTags(decoder);
  return { partition, errorCode, baseOffset };
}

/** EndTxn, version 5. */
export async function decodeEndTxn5(payload: Buffer): Promise<EndTxnAnswer> {
  return identityOf(answerOf(payload));
}

export type InitProducerIdAnswer = Required<EndTxnAnswer>;

/** InitProducerId, version 4. */
export async function decodeInitProducerId4(payload: Buffer): Promise<InitProducerIdAnswer> {
  return identityOf(answerOf(payload));
}

function identityOf(decoder: Decoder): InitProducerIdAnswer {
  return {
    clientSideThrottleTime: decoder.readInt32(),
    errorCode: decoder.readInt16(),
    producerId: decoder.readInt64(),
    producerEpoch: decoder.readInt16(),
  };
}

/** A feature of the cluster that all brokers have agreed on. */
export type FinalizedFeatures = Throttled & {
  readonly errorCode: number;
  /** Rises with every change; -1 = the broker does not know. */
  readonly epoch: bigint;
  /** By name. */
  readonly levels: ReadonlyMap<string, number>;
  /** The highest levels that this broker could take part in, which tells its release. */
  readonly supported: ReadonlyMap<string, number>;
};

const supportedFeaturesTag = 0;
const finalizedEpochTag = 1;
const finalizedFeaturesTag = 2;

/** ApiVersions, version 3: the only flexible answer whose header has no tagged fields. */
export async function decodeFeatures(payload: Buffer): Promise<FinalizedFeatures> {
  const decoder = new Decoder(payload);
  const errorCode = decoder.readInt16();
  // A broker that does not know this version answers in version 0, with an error.
  if (errorCode !== 0) return { errorCode, epoch: -1n, levels: new Map(), supported: new Map() };
  decoder.readUVarIntArray(() => {
    decoder.forward(6); // a request and its versions
    skipTags(decoder);
  });
  const clientSideThrottleTime = decoder.readInt32();
  let epoch = -1n;
  const levels = new Map<string, number>();
  const supported = new Map<string, number>();
  readTags(decoder, (tag) => {
    if (tag === finalizedEpochTag) epoch = decoder.readInt64();
    if (tag === supportedFeaturesTag)
      decoder.readUVarIntArray(() => {
        const name = decoder.readUVarIntString() ?? '';
        decoder.readInt16(); // lowest
        supported.set(name, decoder.readInt16());
        skipTags(decoder);
      });
    if (tag !== finalizedFeaturesTag) return;
    decoder.readUVarIntArray(() => {
      levels.set(decoder.readUVarIntString() ?? '', decoder.readInt16());
      decoder.readInt16(); // always 0 or 1
      skipTags(decoder);
    });
  });
  return { errorCode, epoch, levels, supported, clientSideThrottleTime };
}

/** The header of a flexible answer ends with tagged fields. */
export function answerOf(payload: Buffer): Decoder {
  const decoder = new Decoder(payload);
  skipTags(decoder);
  return decoder;
}

export function skipTags(decoder: Decoder): void {
  readTags(decoder, () => {});
}

/** @param read reads the field of this tag, or as much of it as it likes */
function readTags(decoder: Decoder, read: (tag: number) => void): void {
  for (let left = decoder.readUVarInt(); left > 0; left--) {
    const tag = decoder.readUVarInt();
    const size = decoder.readUVarInt();
    const end = decoder.offset + size;
    read(tag);
    decoder.forward(end - decoder.offset);
  }
}
