/**
 * Builds pgoutput messages (protocol version 1) by hand, so that the assembler can be shown what a real server sends
 * only now and then.
 * @see https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
 */
const uint8 = (value: number) => Buffer.from([value]);
const uint16 = (value: number) => {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
};
const uint32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const int64 = (value: bigint) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return bytes;
};
const cstring = (text: string) => Buffer.from(`${text}\0`);

/** 2026-01-02T03:04:05.678Z, and 999 microseconds that ms do not show. */
export const committedAtMs = 1_767_323_045_678;
const postgresMicros = BigInt(committedAtMs) * 1000n + 999n - 946_684_800_000_000n;

export const begin = (commitLsn: bigint, xid = 7): Buffer =>
  Buffer.concat([Buffer.from('B'), int64(commitLsn), int64(postgresMicros), uint32(xid)]);

export const commit = (commitLsn: bigint, endLsn: bigint): Buffer =>
  Buffer.concat([Buffer.from('C'), uint8(0), int64(commitLsn), int64(endLsn), int64(postgresMicros)]);

export const relation = (oid: number, table: string, columns: readonly string[]): Buffer => {
  const [schema = '', name = ''] = table.split('.');
  const parts = columns.map((column) =>
    Buffer.concat([uint8(0), cstring(column), uint32(25), uint32(0xffff_ffff)]),
  );
  return Buffer.concat([
    Buffer.from('R'),
    uint32(oid),
    cstring(schema === 'pg_catalog' ? '' : schema),
    cstring(name),
    Buffer.from('n'),
    uint16(columns.length),
    ...parts,
  ]);
};

export const insert = (oid: number, values: readonly (string | null)[]): Buffer => {
  const columns = values.map((value) => {
    if (value === null) return Buffer.from('n');
    const text = Buffer.from(value);
    return Buffer.concat([Buffer.from('t'), uint32(text.length), text]);
  });
  return Buffer.concat([Buffer.from('I'), uint32(oid), Buffer.from('N'), uint16(values.length), ...columns]);
};
