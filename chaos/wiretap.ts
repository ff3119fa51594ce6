/**
 * Records, in the proxies, what a relay acknowledges to Postgres and what Kafka answers to its commits, in the one
 * order in which this process saw them pass. Samples of the slot are too coarse: this finds a relay that acknowledges a
 * commit before Kafka has answered it, even if the commit then succeeds (I6).
 */
import { producerName } from '../harness/kafka-wire.ts';
import type { Ear } from '../harness/tcp-proxy.ts';

export type Commit = {
  /** `producer id/epoch`: one session of one relay or, in transaction protocol 2, one transaction. */
  readonly producer: string;
  /** Of EndTxn: from 5 on it is transaction protocol 2. */
  readonly version: number;
  /** When the EndTxn passed; `performance.now()`, as everything here. */
  readonly askedMs: number;
  /** When Kafka's answer that it is committed passed. */
  answeredMs: number | undefined;
};

export type Acknowledgement = { readonly lsn: bigint; readonly atMs: number };

export class Wiretap {
  /** By transactional id. */
  readonly #commits = new Map<string, Commit[]>();
  /** By slot. */
  readonly #acknowledgements = new Map<string, Acknowledgement[]>();

  commitsOf(transactionalId: string): readonly Commit[] {
    return this.#commits.get(transactionalId) ?? [];
  }

  /** Each position the first time that a connection acknowledges it. */
  acknowledgementsOf(slot: string): readonly Acknowledgement[] {
    return this.#acknowledgements.get(slot) ?? [];
  }

  /** For a connection to a broker. */
  kafka(): Ear {
    const waiting = new Map<number, Commit>();
    const requests = new Frames({ headBytes: 512 });
    const answers = new Frames({ headBytes: 15 });
    return {
      fromClient: (chunk) => {
        for (const frame of requests.add(chunk)) this.#heardRequest(frame, waiting);
      },
      fromServer: (chunk) => {
        for (const frame of answers.add(chunk)) {
          const commit = waiting.get(frame.readInt32BE(4));
          if (commit === undefined) continue;
          waiting.delete(frame.readInt32BE(4));
          // After size, correlation id and throttle time. A flexible version has an empty list of tags before that time.
          const errorAt = commit.version >= firstFlexible ? 13 : 12;
          if (frame.readInt16BE(errorAt) === 0) commit.answeredMs = performance.now();
        }
      },
    };
  }

  /** EndTxn: transactional id, producer id, epoch, whether to commit. */
  #heardRequest(frame: Buffer, waiting: Map<number, Commit>): void {
    if (frame.length < 14 || frame.readInt16BE(4) !== endTxn) return;
    const version = frame.readInt16BE(6);
    const bodyAt = 14 + Math.max(0, frame.readInt16BE(12));
    // A flexible version has an empty list of tags in its head, and the length of a text, plus 1, in one byte: no
    // transactional id here is longer than 126.
    const isFlexible = version >= firstFlexible;
    const idAt = bodyAt + 2;
    const idBytes = isFlexible ? frame[bodyAt + 1]! - 1 : frame.readInt16BE(bodyAt);
    const transactionalId = frame.toString('utf8', idAt, idAt + idBytes);
    const at = idAt + idBytes;
    if (frame[at + 10] === 0) return; // an abort
    const producer = producerName(frame.readBigInt64BE(at), frame.readInt16BE(at + 8));
    const commit: Commit = { producer, version, askedMs: performance.now(), answeredMs: undefined };
    listOf(this.#commits, transactionalId).push(commit);
    waiting.set(frame.readInt32BE(8), commit);
  }

  /** For a connection to Postgres. */
  postgres(): Ear {
    const messages = new Frames({ headBytes: 512, isPostgres: true });
    let slot: string | undefined;
    let highest = 0n;
    return {
      fromClient: (chunk) => {
        for (const frame of messages.add(chunk)) {
          const type = String.fromCharCode(frame[0]!);
          if (type === 'Q')
            slot = /START_REPLICATION SLOT "?(\w+)"?/.exec(frame.toString('utf8', 5))?.[1] ?? slot;
          // CopyData with a standby status update: received, flushed, applied.
          if (type !== 'd' || slot === undefined || frame[5] !== statusUpdate) continue;
          const lsn = frame.readBigUInt64BE(14);
          if (lsn <= highest) continue;
          highest = lsn;
          listOf(this.#acknowledgements, slot).push({ lsn, atMs: performance.now() });
        }
      },
      fromServer: () => {},
    };
  }
}

const endTxn = 26;
/** The first version of EndTxn with tags and compact lengths. */
const firstFlexible = 3;
const statusUpdate = 'r'.charCodeAt(0);
const postgresProtocol3 = 196_608;

function listOf<Item>(lists: Map<string, Item[]>, name: string): Item[] {
  const list = lists.get(name) ?? [];
  lists.set(name, list);
  return list;
}

/** Cuts a stream into messages and keeps only their beginnings, because some are large and few matter. */
class Frames {
  readonly #headBytes: number;
  /** Postgres puts a type before the size, but not in the messages that begin a connection. */
  #isTyped = false;
  readonly #isPostgres: boolean;
  #head: Buffer = Buffer.alloc(0);
  #seen = 0;
  #size: number | undefined;

  constructor({ headBytes, isPostgres = false }: { headBytes: number; isPostgres?: boolean }) {
    this.#headBytes = headBytes;
    this.#isPostgres = isPostgres;
  }

  /** The beginnings of the messages that are complete with this chunk. */
  add(chunk: Buffer): Buffer[] {
    const heads: Buffer[] = [];
    for (let at = 0; at < chunk.length; ) {
      const sizeAt = this.#isTyped ? 1 : 0;
      const wanted = this.#size ?? sizeAt + 4;
      const part = chunk.subarray(at, at + wanted - this.#seen);
      at += part.length;
      this.#seen += part.length;
      const room = this.#headBytes - this.#head.length;
      if (room > 0) this.#head = Buffer.concat([this.#head, part.subarray(0, room)]);
      if (this.#seen < wanted) break;
      // Kafka's size does not count itself; Postgres's does.
      this.#size ??= sizeAt + this.#head.readInt32BE(sizeAt) + (this.#isPostgres ? 0 : 4);
      if (this.#seen < this.#size) continue;
      this.#complete(heads);
    }
    return heads;
  }

  #complete(heads: Buffer[]): void {
    if (this.#isPostgres && !this.#isTyped) this.#isTyped = this.#head.readInt32BE(4) === postgresProtocol3;
    else heads.push(this.#head);
    this.#head = Buffer.alloc(0);
    this.#seen = 0;
    this.#size = undefined;
  }
}
