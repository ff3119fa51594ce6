/**
 * Kafka's protocol as far as a plain reader needs it, over sockets of our own: metadata, fetch under `read_committed`,
 * and who coordinates and controls. None of the relay's code and no client library, so that what is checked does not
 * share a fault with what checks it; and it shows what libraries hide: producer ids and transaction markers.
 * @see https://kafka.apache.org/protocol
 */
import { connect, type Socket } from 'node:net';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { decompressFrameSync } from 'lz4-napi';
import { uncompressSync } from 'snappy';

export type Leader = { readonly topic: string; readonly partition: number; readonly nodeId: number };
export type Metadata = {
  readonly brokers: ReadonlyMap<number, string>;
  readonly leaders: readonly Leader[];
};

export type FetchPart = { readonly topic: string; readonly partition: number; readonly offset: bigint };
export type KafkaRecord = {
  readonly offset: bigint;
  readonly key: string | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<{ [name: string]: string }>;
};
export type RecordBatch = {
  readonly baseOffset: bigint;
  readonly lastOffset: bigint;
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly isTransactional: boolean;
  readonly codec: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';
  /** Set on a transaction marker, which holds no records for consumers. */
  readonly marker: 'commit' | 'abort' | undefined;
  readonly records: readonly KafkaRecord[];
};
export type Fetched = {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  readonly aborted: readonly { readonly producerId: bigint; readonly firstOffset: bigint }[];
  readonly batches: readonly RecordBatch[];
};

/** Names one session of one producer. */
export const producerName = (id: bigint, epoch: number): string => `${id}/${epoch}`;

const clientId = 'harness';
const readCommitted = 1;

/** One connection to one broker, one request at a time; any failure ends it. */
export class BrokerConnection {
  readonly #socket: Socket;
  #buffer: Buffer[] = [];
  #size = 0;
  #correlation = 0;
  #waiting: { resolve: (answer: Buffer) => void; reject: (error: Error) => void } | undefined;
  #error: Error | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the broker closed the connection')));
  }

  static open(address: string, timeoutMs: number): Promise<BrokerConnection> {
    const [host = '', port = ''] = address.split(':');
    const { promise, resolve, reject } = Promise.withResolvers<BrokerConnection>();
    const socket = connect({ host, port: Number(port), noDelay: true });
    const timer = setTimeout(() => socket.destroy(new Error(`${address} does not answer`)), timeoutMs);
    socket.once('error', reject);
    socket.once('connect', () => resolve(new BrokerConnection(socket)));
    return promise.finally(() => clearTimeout(timer));
  }

  get isOpen(): boolean {
    return this.#error === undefined;
  }

  close(): void {
    this.#socket.destroy();
  }

  async request(api: number, version: number, body: Buffer, timeoutMs: number, isFlexible = false) {
    if (this.#error !== undefined) throw this.#error;
    this.#correlation += 1;
    const head = new Writer()
      .int16(api)
      .int16(version)
      .int32(this.#correlation)
      .string(clientId)
      .raw(isFlexible ? Buffer.from([0]) : Buffer.alloc(0)).bytes;
    const size = Buffer.alloc(4);
    size.writeInt32BE(head.length + body.length);
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    this.#waiting = { resolve, reject };
    const timer = setTimeout(() => this.#fail(new Error('no answer in time')), timeoutMs);
    this.#socket.write(Buffer.concat([size, head, body]));
    try {
      return new Reader((await promise).subarray(isFlexible ? 5 : 4));
    } finally {
      clearTimeout(timer);
    }
  }

  #receive(chunk: Buffer): void {
    this.#buffer.push(chunk);
    this.#size += chunk.length;
    if (this.#size < 4) return;
    const first = this.#buffer[0]!.length >= 4 ? this.#buffer[0]! : Buffer.concat(this.#buffer);
    const wanted = first.readInt32BE(0) + 4;
    if (this.#size < wanted) return;
    const all = Buffer.concat(this.#buffer);
    this.#buffer = [];
    this.#size = 0;
    this.#waiting?.resolve(all.subarray(4, wanted));
  }

  #fail(error: Error): void {
    this.#error ??= error;
    this.#socket.destroy();
    this.#waiting?.reject(error);
  }
}

/** Of all brokers, and the leaders of the topics that exist. */
export async function readMetadata(
  connection: BrokerConnection,
  topics: readonly string[],
  timeoutMs: number,
): Promise<Metadata> {
  const body = new Writer().int32(topics.length);
  for (const topic of topics) body.string(topic);
  body.int8(0); // no creation
  const answer = await connection.request(3, 4, body.bytes, timeoutMs);
  answer.int32();
  const brokers = new Map(
    answer.array(() => {
      const nodeId = answer.int32();
      const address = `${answer.string()}:${answer.int32()}`;
      answer.string();
      return [nodeId, address] as const;
    }),
  );
  answer.string();
  answer.int32();
  const leaders = answer.array(() => {
    answer.int16();
    const topic = answer.string() ?? '';
    answer.int8();
    return answer.array((): Leader => {
      answer.int16();
      const partition = answer.int32();
      const nodeId = answer.int32();
      answer.array(() => answer.int32());
      answer.array(() => answer.int32());
      return { topic, partition, nodeId };
    });
  });
  return { brokers, leaders: leaders.flat() };
}

export type PartitionEnd = { readonly topic: string; readonly partition: number; readonly offset: bigint };

/**
 * The ends of partitions that the broker leads; of others nothing.
 * @param isStable up to the first record of an open transaction
 */
export async function readEnds(
  connection: BrokerConnection,
  leaders: readonly Omit<Leader, 'nodeId'>[],
  isStable: boolean,
  timeoutMs: number,
): Promise<PartitionEnd[]> {
  const byTopic = Map.groupBy(leaders, ({ topic }) => topic);
  const body = new Writer()
    .int32(-1)
    .int8(isStable ? readCommitted : 0)
    .int32(byTopic.size);
  for (const [topic, group] of byTopic) {
    body.string(topic).int32(group.length);
    for (const { partition } of group) body.int32(partition).int64(-1n);
  }
  const answer = await connection.request(2, 2, body.bytes, timeoutMs);
  answer.int32();
  const topics = answer.array(() => {
    const topic = answer.string() ?? '';
    return answer.array(() => {
      const [partition, errorCode] = [answer.int32(), answer.int16()];
      answer.int64();
      const offset = answer.int64();
      return errorCode === 0 ? [{ topic, partition, offset }] : [];
    });
  });
  return topics.flat(2);
}

/** The broker that coordinates a transactional id. @throws while there is none */
export async function findCoordinator(
  connection: BrokerConnection,
  transactionalId: string,
  timeoutMs: number,
): Promise<number> {
  const answer = await connection.request(
    10,
    1,
    new Writer().string(transactionalId).int8(1).bytes,
    timeoutMs,
  );
  answer.int32();
  const errorCode = answer.int16();
  if (errorCode !== 0) throw new Error(`no coordinator: error ${errorCode}`);
  answer.string();
  return answer.int32();
}

/** The node that leads the quorum of controllers. */
export async function findController(connection: BrokerConnection, timeoutMs: number): Promise<number> {
  const topic = '__cluster_metadata';
  const body = new Writer()
    .raw(Buffer.from([2, topic.length + 1]))
    .raw(Buffer.from(topic))
    .raw(Buffer.from([2]))
    .int32(0)
    .raw(Buffer.from([0, 0, 0])).bytes;
  const answer = await connection.request(55, 0, body, timeoutMs, true);
  const errorCode = answer.int16();
  if (errorCode !== 0) throw new Error(`no quorum: error ${errorCode}`);
  answer.int8(); // topics + 1
  answer.skip(answer.int8() - 1);
  answer.int8(); // partitions + 1
  answer.int32();
  answer.int16();
  return answer.int32();
}

/** @param waitMs how long the broker may wait for data */
export async function fetchRecords(
  connection: BrokerConnection,
  parts: readonly FetchPart[],
  waitMs: number,
  timeoutMs: number,
): Promise<Fetched[]> {
  const byTopic = Map.groupBy(parts, ({ topic }) => topic);
  const body = new Writer()
    .int32(-1)
    .int32(waitMs)
    .int32(1)
    .int32(8 << 20)
    .int8(readCommitted)
    .int32(byTopic.size);
  for (const [topic, group] of byTopic) {
    body.string(topic).int32(group.length);
    for (const { partition, offset } of group)
      body
        .int32(partition)
        .int64(offset)
        .int32(1 << 20);
  }
  const answer = await connection.request(1, 4, body.bytes, timeoutMs);
  answer.int32();
  return answer
    .array(() => {
      const topic = answer.string() ?? '';
      return answer.array((): Fetched => {
        const partition = answer.int32();
        const errorCode = answer.int16();
        answer.int64();
        answer.int64();
        const aborted = answer.array(() => ({ producerId: answer.int64(), firstOffset: answer.int64() }));
        return { topic, partition, errorCode, aborted, batches: readBatches(answer.sized()) };
      });
    })
    .flat();
}

const attributeBits = { compression: 0x07, transactional: 0x10, control: 0x20 };

/** By their number. Of Snappy the bare form only, which the relay writes; brokers write another. */
const codecs: readonly (readonly [RecordBatch['codec'], (bytes: Buffer) => Buffer])[] = [
  ['none', (bytes) => bytes],
  ['gzip', gunzipSync],
  ['snappy', (bytes) => uncompressSync(bytes) as Buffer],
  ['lz4', decompressFrameSync],
  ['zstd', zstdDecompressSync],
];

/** Whole batches only: a broker may cut the last one. */
function readBatches(bytes: Buffer): RecordBatch[] {
  const batches: RecordBatch[] = [];
  for (let at = 0; at + 12 <= bytes.length; ) {
    const end = at + 12 + bytes.readInt32BE(at + 8);
    if (end > bytes.length) break;
    batches.push(readBatch(new Reader(bytes.subarray(at, end))));
    at = end;
  }
  return batches;
}

function readBatch(head: Reader): RecordBatch {
  const baseOffset = head.int64();
  head.skip(4 + 4 + 1 + 4);
  const attributes = head.int16();
  const [codec, decompress] = codecs[attributes & attributeBits.compression]!;
  const lastOffset = baseOffset + BigInt(head.int32());
  head.skip(16);
  const producerId = head.int64();
  const producerEpoch = head.int16();
  head.int32();
  const count = head.int32();
  const isControl = (attributes & attributeBits.control) !== 0;
  const records: KafkaRecord[] = [];
  let marker: RecordBatch['marker'];
  const reader = new Reader(decompress(head.rest));
  for (let n = 0; n < count; n++) {
    reader.varint();
    reader.int8();
    reader.varint();
    const offset = baseOffset + reader.varint();
    const key = reader.varintSized();
    const value = reader.varintSized();
    const headers: { [name: string]: string } = {};
    for (let left = Number(reader.varint()); left > 0; left--) {
      const name = reader.varintSized()?.toString() ?? '';
      headers[name] = reader.varintSized()?.toString() ?? '';
    }
    if (isControl) marker = key?.readInt16BE(2) === 1 ? 'commit' : 'abort';
    else records.push({ offset, key: key?.toString() ?? null, value, headers });
  }
  const isTransactional = (attributes & attributeBits.transactional) !== 0;
  return { baseOffset, lastOffset, producerId, producerEpoch, isTransactional, codec, marker, records };
}

class Writer {
  #parts: Buffer[] = [];

  get bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }

  int8(value: number): this {
    return this.raw(Buffer.from([value]));
  }

  int16(value: number): this {
    const part = Buffer.alloc(2);
    part.writeInt16BE(value);
    return this.raw(part);
  }

  int32(value: number): this {
    const part = Buffer.alloc(4);
    part.writeInt32BE(value);
    return this.raw(part);
  }

  int64(value: bigint): this {
    const part = Buffer.alloc(8);
    part.writeBigInt64BE(value);
    return this.raw(part);
  }

  string(value: string): this {
    return this.int16(Buffer.byteLength(value)).raw(Buffer.from(value));
  }

  raw(part: Buffer): this {
    this.#parts.push(part);
    return this;
  }
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  skip(count: number): void {
    this.#at += count;
  }

  int8(): number {
    this.#at += 1;
    return this.#bytes.readInt8(this.#at - 1);
  }

  int16(): number {
    this.#at += 2;
    return this.#bytes.readInt16BE(this.#at - 2);
  }

  int32(): number {
    this.#at += 4;
    return this.#bytes.readInt32BE(this.#at - 4);
  }

  int64(): bigint {
    this.#at += 8;
    return this.#bytes.readBigInt64BE(this.#at - 8);
  }

  /** Everything that is not read yet. */
  get rest(): Buffer {
    return this.#bytes.subarray(this.#at);
  }

  string(): string | null {
    const size = this.int16();
    return size < 0 ? null : this.#take(size).toString();
  }

  sized(): Buffer {
    return this.#take(Math.max(0, this.int32()));
  }

  array<T>(one: () => T): T[] {
    const count = this.int32();
    const all: T[] = [];
    for (let n = 0; n < count; n++) all.push(one());
    return all;
  }

  /** Zigzag, as in record batches. */
  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.#bytes.readUInt8(this.#at);
      this.#at += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return (value >> 1n) ^ -(value & 1n);
    }
  }

  varintSized(): Buffer | null {
    const size = Number(this.varint());
    return size < 0 ? null : this.#take(size);
  }

  #take(size: number): Buffer {
    this.#at += size;
    return this.#bytes.subarray(this.#at - size, this.#at);
  }
}
