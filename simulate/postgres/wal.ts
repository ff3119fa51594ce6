/** The committed transactions, in order, and their form in pgoutput. */
import { formatLsn, type Lsn } from '../../relay/model/position.ts';
import { releaseSuffix } from '../../relay/model/release-request.ts';

export type OutboxEvent = {
  readonly id: string;
  readonly aggregatetype: string;
  readonly aggregateid: string;
  readonly type: string;
  readonly payload: string;
};

/** A committed transaction: of the application, or a heartbeat. */
export type WalTransaction = {
  readonly commitLsn: Lsn;
  readonly endLsn: Lsn;
  readonly xid: number;
  readonly committedAtMs: number;
  readonly events: readonly OutboxEvent[];
  readonly beat?: { readonly slot: string; readonly number: number };
  /** Requests to release a key. */
  readonly releases?: { readonly slot: string; readonly requests: readonly number[] };
};

/** Microseconds between 1970-01-01 and Postgres's epoch, 2000-01-01. */
const postgresEpochMicros = 946_684_800_000_000n;

const outboxColumns = ['id', 'aggregatetype', 'aggregateid', 'type', 'payload', 'headers', 'created_at'];
const outboxOid = 16_400;
const heartbeatOid = 16_401;

/** @param described the relations that were described on this connection already; this adds to them */
export function* pgoutput(transaction: WalTransaction, described: Set<number>): Generator<Buffer> {
  yield begin(transaction);
  const { events, beat, releases } = transaction;
  if (events.length > 0 && !described.has(outboxOid)) yield relation(outboxOid, 'event', outboxColumns);
  if (events.length > 0) described.add(outboxOid);
  for (const { id, aggregatetype, aggregateid, type, payload } of events)
    yield insert(outboxOid, [id, aggregatetype, aggregateid, type, payload, null, null]);
  const ofHeartbeats = [
    ...(beat === undefined ? [] : [[beat.slot, String(beat.number)]]),
    ...(releases?.requests ?? []).map((request) => [releases!.slot + releaseSuffix, String(request)]),
  ];
  if (ofHeartbeats.length > 0 && !described.has(heartbeatOid))
    yield relation(heartbeatOid, 'heartbeat', ['slot', 'beat']);
  if (ofHeartbeats.length > 0) described.add(heartbeatOid);
  for (const values of ofHeartbeats) yield insert(heartbeatOid, values);
  yield commit(transaction);
}

function begin({ commitLsn, committedAtMs, xid }: WalTransaction): Buffer {
  const bytes = Buffer.alloc(21);
  bytes.write('B');
  bytes.writeBigUInt64BE(commitLsn, 1);
  bytes.writeBigInt64BE(micros(committedAtMs), 9);
  bytes.writeUInt32BE(xid, 17);
  return bytes;
}

function commit({ commitLsn, endLsn, committedAtMs }: WalTransaction): Buffer {
  const bytes = Buffer.alloc(26);
  bytes.write('C');
  bytes.writeBigUInt64BE(commitLsn, 2);
  bytes.writeBigUInt64BE(endLsn, 10);
  bytes.writeBigInt64BE(micros(committedAtMs), 18);
  return bytes;
}

function relation(oid: number, name: string, columns: readonly string[]): Buffer {
  const head = Buffer.alloc(5);
  head.write('R');
  head.writeUInt32BE(oid, 1);
  const count = Buffer.alloc(3);
  count.write('d');
  count.writeUInt16BE(columns.length, 1);
  const described = columns.map((column) => Buffer.concat([Buffer.from(`\0${column}\0`), Buffer.alloc(8)]));
  return Buffer.concat([head, Buffer.from(`outbox\0${name}\0`), count, ...described]);
}

function insert(oid: number, values: readonly (string | null)[]): Buffer {
  const head = Buffer.alloc(8);
  head.write('I');
  head.writeUInt32BE(oid, 1);
  head.write('N', 5);
  head.writeUInt16BE(values.length, 6);
  return Buffer.concat([head, ...values.map(column)]);
}

function column(value: string | null): Buffer {
  if (value === null) return Buffer.from('n');
  const bytes = Buffer.from(value);
  const head = Buffer.alloc(5);
  head.write('t');
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

const micros = (ms: number): bigint => BigInt(Math.trunc(ms)) * 1000n - postgresEpochMicros;

export function describeTransaction({ commitLsn, endLsn, events, beat, releases }: WalTransaction): string {
  const requests = releases === undefined ? '' : `, requests ${releases.requests.join(' ')}`;
  const what = (beat === undefined ? `${events.length} events` : `heartbeat ${beat.number}`) + requests;
  return `${formatLsn(commitLsn)}–${formatLsn(endLsn)} ${what}`;
}
