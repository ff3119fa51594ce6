/**
 * Reads a replication slot up to a position and throws everything away: node bench/slot-reader.ts <url> <slot> <end
 * LSN>. Stands in for `pg_recvlogical`. It looks at the position of each message and at nothing else, so that Postgres,
 * and not this reader, is the limit.
 */
import type { EventEmitter } from 'node:events';
import pg from 'pg';
import { encodeStatusUpdate } from '../relay/capture/status-update.ts';
import { parseLsn } from '../relay/model/position.ts';

/** The part of the driver's connection that a stream comes by; the driver exports no type for it. */
type Wire = EventEmitter & {
  readonly stream: NodeJS.WritableStream;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
};

const [url = '', slot = '', end = ''] = process.argv.slice(2);
const endLsn = parseLsn(end);
const client = new pg.Client({
  connectionString: url,
  options: '-c wal_sender_timeout=0', // so that nothing needs to be answered on the way
  ...{ replication: 'database' },
});
const { connection: wire } = client as unknown as { readonly connection: Wire };
let isDone = false;

wire.on('copyData', ({ chunk }: { readonly chunk: Buffer }) => {
  // Both data (w) and keepalive (k) tell the position of the WAL: of themselves, or of the server.
  if (isDone || chunk.readBigUInt64BE(1) < endLsn) return;
  isDone = true;
  // The next round begins where this one ended.
  wire.sendCopyFromChunk(encodeStatusUpdate(endLsn, Date.now(), false));
  wire.endCopyFrom();
});
wire.on('copyDone', () => process.exit(0));

await client.connect();
await client.query(
  `START_REPLICATION SLOT "${slot}" LOGICAL 0/0 (proto_version '1', publication_names 'outbox_relay')`,
);
