/** A stream of a replication slot as bytes: the least that reads one, so that Postgres, and not the reader, is the limit. */
import type { EventEmitter } from 'node:events';
import pg from 'pg';

/** The part of the driver's connection that a stream comes by; the driver exports no type for it. */
type Wire = EventEmitter & {
  readonly stream: NodeJS.WritableStream;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
};

export type SlotStream = {
  /** Of the last message: of its data, or of the server. */
  readonly lastLsn: bigint;
  send(statusUpdate: Buffer): void;
  /** Resolves when the server has ended the stream, too. */
  end(): Promise<void>;
};

/** Resolves when it streams. @param onMessage as the server sends it: data (w) or keepalive (k) */
export async function openSlotStream(
  url: string,
  slot: string,
  onMessage: (chunk: Buffer, stream: SlotStream) => void,
): Promise<SlotStream> {
  const client = new pg.Client({
    connectionString: url,
    options: '-c wal_sender_timeout=0', // so that nothing needs to be answered on the way
    ...{ replication: 'database' },
  });
  const { connection: wire } = client as unknown as { readonly connection: Wire };
  const done = Promise.withResolvers<void>();
  let lastLsn = 0n;
  const stream: SlotStream = {
    get lastLsn() {
      return lastLsn;
    },
    send: (statusUpdate) => wire.sendCopyFromChunk(statusUpdate),
    end: () => {
      wire.endCopyFrom();
      return done.promise;
    },
  };
  wire.on('copyData', ({ chunk }: { readonly chunk: Buffer }) => {
    lastLsn = chunk.readBigUInt64BE(1);
    onMessage(chunk, stream);
  });
  wire.on('copyDone', () => done.resolve());
  const streaming = Promise.withResolvers<void>();
  wire.once('replicationStart', () => streaming.resolve());
  await client.connect();
  client
    .query(
      `START_REPLICATION SLOT "${slot}" LOGICAL 0/0 (proto_version '1', publication_names 'outbox_relay')`,
    )
    .catch(streaming.reject);
  await streaming.promise;
  return stream;
}
