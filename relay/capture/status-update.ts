/** Writes the message that acknowledges: the only one that the relay sends on the replication stream. */
import { postgresEpochMicros } from './postgres-epoch.ts';

/**
 * A standby status update: what the relay has received, flushed and applied. All three are one LSN, since the relay claims
 * only what Kafka holds. The library's own `acknowledge` adds one to the LSN, and cannot send 0, for "nothing yet".
 * @param lsn the first byte that Postgres must keep: the end LSN of the progress. 0 confirms nothing
 * @param replyRequested asks the server to answer, which shows that it is alive
 * @see https://www.postgresql.org/docs/current/protocol-replication.html#PROTOCOL-REPLICATION-STANDBY-STATUS-UPDATE
 */
export function encodeStatusUpdate(lsn: bigint, nowMs: number, replyRequested: boolean): Buffer {
  const message = Buffer.alloc(34);
  message[0] = 0x72; // r
  message.writeBigUInt64BE(lsn, 1);
  message.writeBigUInt64BE(lsn, 9);
  message.writeBigUInt64BE(lsn, 17);
  message.writeBigInt64BE(BigInt(Math.trunc(nowMs)) * 1000n - postgresEpochMicros, 25);
  message[33] = replyRequested ? 1 : 0;
  return message;
}
