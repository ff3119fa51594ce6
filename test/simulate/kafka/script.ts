/**
 * Requests of the transaction protocol as bytes, for the model and for a broker alike. What a step answers has no ids and
 * times of one side, so that both can be compared.
 */
import { BufferPool } from '../../../relay/publish/lean/buffer-pool.ts';
import { RecordBatch, recordBound } from '../../../relay/publish/lean/record-batch.ts';
import { Reader, Writer } from '../../../simulate/kafka/bytes.ts';

/** A broker, or the model of one. */
export type Side = {
  /** @param request with its size. @returns the answer without size and correlation id */
  send(request: Buffer): Promise<Buffer>;
  /** Waits until no transaction of the id is ending. */
  settle(transactionalId: string): Promise<void>;
  /** Keeps what brokers send each other from now on until it is released. */
  hold(what: 'marker' | 'verification'): Held;
  /** Finalizes a level of `transaction.version`. */
  finalize(level: number): Promise<void>;
  /** Whoever coordinates reads the transaction log, as after a move. */
  reload(): Promise<void>;
};

export type Held = {
  /** Resolves when something is held. */
  readonly met: () => Promise<void>;
  readonly release: () => Promise<void>;
};

/** A request as it is sent. */
export function frame(
  api: number,
  version: number,
  body: Buffer,
  isFlexible: boolean,
  clientId = 'script',
): Buffer {
  const writer = new Writer().int16(api).int16(version).int32(1).string(clientId);
  const head = isFlexible ? writer.byte(0).bytes : writer.bytes;
  return new Writer().raw(Buffer.concat([head, body])).bytes;
}

export type Identity = { readonly id: number; readonly epoch: number };
type Answer = { readonly error: number };
export type Initialised = Answer & Identity;
export type Produced = Answer & { readonly offset: number };

const apis = {
  produce: { key: 0, flexibleFrom: 9 },
  init: { key: 22, flexibleFrom: 2 },
  add: { key: 24, flexibleFrom: 3 },
  end: { key: 26, flexibleFrom: 3 },
} as const;

const inSync = -1;

export type ProduceOptions = {
  readonly sequence?: number;
  readonly count?: number;
  readonly partitions?: readonly number[];
  readonly version?: number;
};

/** One transactional id and one topic. */
export class Script {
  readonly side: Side;
  readonly transactionalId: string;
  readonly topic: string;
  readonly #ids: number[] = [];

  constructor(side: Side, name: string) {
    this.side = side;
    this.transactionalId = name;
    this.topic = name;
  }

  /** @param expected the identity that the producer has, from version 3 on */
  async init(version = 4, expected: Identity = { id: -1, epoch: -1 }): Promise<Initialised> {
    const { writer, ask } = this.#request('init', version);
    const expectedId = expected.id === -1 ? -1 : (this.#ids[expected.id] ?? unknownId);
    writer.string(this.transactionalId).int32(60_000);
    if (version >= 3) writer.int64(expectedId).int16(expected.epoch);
    const reader = await ask();
    reader.int32();
    const error = reader.int16();
    return { error, id: this.#named(reader.int64()), epoch: reader.int16() };
  }

  /** @returns the answer for each partition */
  async produce(
    { id, epoch }: Identity,
    { sequence = 0, count = 1, partitions = [0], version = 12 }: ProduceOptions = {},
  ): Promise<Produced[]> {
    const { writer, ask } = this.#request('produce', version);
    writer.string(this.transactionalId).int16(inSync).int32(30_000);
    const batches = partitions.map((partition) => ({
      partition,
      bytes: batchOf({ id: this.#ids[id] ?? unknownId, epoch }, sequence, count),
    }));
    writer.list([this.topic], (topic) => {
      writer.string(topic);
      writer.list(batches, ({ partition, bytes }) => writer.int32(partition).raw(bytes).tags());
      writer.tags();
    });
    const reader = await ask();
    const [produced = []] = reader.list(() => {
      reader.string();
      const answers = reader.list(() => {
        const partition = reader.int32();
        const error = reader.int16();
        const offset = reader.int64();
        reader.take(16);
        if (version >= 8) {
          reader.list(() => {});
          reader.skipString();
        }
        reader.skipTags();
        return { partition, error, offset };
      });
      reader.tags();
      return answers;
    });
    return produced
      .toSorted((a, b) => a.partition - b.partition)
      .map(({ error, offset }) => ({ error, offset }));
  }

  async add({ id, epoch }: Identity, partitions: readonly number[] = [0], version = 1): Promise<number> {
    const { writer, ask } = this.#request('add', version);
    this.#identify(writer, { id, epoch });
    writer.list([this.topic], (topic) => {
      writer.string(topic).list(partitions, (partition) => writer.int32(partition));
      writer.tags();
    });
    const reader = await ask();
    reader.int32();
    const [error = -1] = reader
      .list(() => {
        reader.string();
        const errors = reader.list(() => {
          reader.int32();
          const code = reader.int16();
          reader.tags();
          return code;
        });
        reader.tags();
        return errors;
      })
      .flat();
    return error;
  }

  /** Version 5 answers with the identity of the next transaction. */
  async end(identity: Identity, isCommit: boolean, version = 5): Promise<Answer & Partial<Identity>> {
    const { writer, ask } = this.#request('end', version);
    this.#identify(writer, identity).byte(isCommit ? 1 : 0);
    const reader = await ask();
    reader.int32();
    const error = reader.int16();
    return version < 5 ? { error } : { error, id: this.#named(reader.int64()), epoch: reader.int16() };
  }

  /** The identity after a commit that must succeed, when its markers are written. */
  async commit(identity: Identity, version = 5): Promise<Identity> {
    const { error, id = identity.id, epoch = identity.epoch } = await this.end(identity, true, version);
    if (error !== 0) throw new Error(`EndTxn answered ${error}`);
    await this.settle();
    return { id, epoch };
  }

  settle(): Promise<void> {
    return this.side.settle(this.transactionalId);
  }

  /** Ids of one side by the order in which they were answered; -1 stays. */
  #named(producerId: number): number {
    if (producerId === -1) return -1;
    if (!this.#ids.includes(producerId)) this.#ids.push(producerId);
    return this.#ids.indexOf(producerId);
  }

  #identify(writer: Writer, { id, epoch }: Identity): Writer {
    return writer
      .string(this.transactionalId)
      .int64(this.#ids[id] ?? unknownId)
      .int16(epoch);
  }

  #request(api: keyof typeof apis, version: number) {
    const { key, flexibleFrom } = apis[api];
    const isFlexible = version >= flexibleFrom;
    const writer = new Writer(isFlexible);
    const ask = async () => {
      const answer = await this.side.send(frame(key, version, writer.tags().bytes, isFlexible));
      const reader = new AnswerReader(answer, isFlexible);
      // The header of the answer.
      reader.tags();
      return reader;
    };
    return { writer, ask };
  }
}

/** No coordinator has given it. */
const unknownId = 123_456_789;

class AnswerReader extends Reader {
  /** A text that may be null. */
  skipString(): void {
    const length = this.uvarint() - 1;
    if (length > 0) this.take(length);
  }

  /** Brokers name the leader that they expect, in a tagged field. */
  skipTags(): void {
    if (!this.isFlexible) return;
    for (let left = this.uvarint(); left > 0; left--) {
      this.uvarint();
      this.take(this.uvarint());
    }
  }
}

/** Partition and size, which a batch of the relay has in front. */
const frameBytes = 8;

function batchOf({ id, epoch }: Identity, baseSequence: number, count: number): Buffer {
  const record = { key: 'k', value: Buffer.from('v'), headers: {}, timestampMs: 1_767_225_600_000 };
  const batch = new RecordBatch(new BufferPool(), 0, recordBound(record) * count);
  for (let index = 0; index < count; index++) batch.append(record, recordBound(record));
  return batch.seal({ producerId: BigInt(id), producerEpoch: epoch, baseSequence }).subarray(frameBytes);
}
