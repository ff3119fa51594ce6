import { describe, expect, test } from 'vitest';
import { type AssemblerOptions, TransactionAssembler } from '../../../relay/capture/pgoutput.ts';
import type { CommittedTransaction } from '../../../relay/capture/transaction.ts';
import { codeOf } from '../../support/code-of.ts';
import { begin, commit, committedAtMs, insert, relation } from './messages.ts';
import { blankRow, rowsOf } from './rows.ts';

const outboxColumns = ['id', 'aggregatetype', 'aggregateid', 'type', 'payload', 'headers', 'created_at'];
const outbox = relation(1, 'outbox.event', outboxColumns);
const heartbeat = relation(2, 'outbox.heartbeat', ['slot', 'beat', 'beat_at']);
const row = (id: string, payload = '{}') =>
  insert(1, [id, 'order', 'k', 'Placed', payload, '{}', '2026-01-02 03:04:05.678999+00']);

function assembler(options: Partial<AssemblerOptions> = {}) {
  return new TransactionAssembler({
    outboxTable: 'outbox.event',
    columns: {
      id: 'id',
      aggregatetype: 'aggregatetype',
      aggregateid: 'aggregateid',
      type: 'type',
      payload: 'payload',
      headers: 'headers',
      createdAt: 'created_at',
    },
    heartbeatTable: 'outbox.heartbeat',
    slot: 'ours',
    maxPartRows: 1_000,
    maxPartBytes: 1_000_000,
    maxRowBytes: 8_000_000,
    ...options,
  });
}

function feed(target: TransactionAssembler, ...messages: Buffer[]): CommittedTransaction[] {
  return messages.map((message) => target.push(message)).filter((part) => part !== undefined);
}

const ids = (parts: readonly CommittedTransaction[]) => parts.map((part) => rowsOf(part).map(({ id }) => id));
/** With rows as plain objects. */
const plain = (parts: readonly CommittedTransaction[]) =>
  parts.map((part) => ({ ...part, rows: rowsOf(part) }));

describe('a whole transaction', () => {
  test('comes with its LSNs, xid, commit time and rows when it is committed, and not before', () => {
    const target = assembler();
    expect(feed(target, outbox, begin(100n, 42), row('a'), row('b'))).toEqual([]);
    const bytes = 256 + row('a').length + row('b').length;
    const text = { aggregatetype: 'order', aggregateid: 'k', type: 'Placed', payload: '{}', headers: '{}' };
    const createdAt = '2026-01-02 03:04:05.678999+00';
    expect(plain(feed(target, commit(100n, 148n)))).toEqual([
      {
        commitLsn: 100n,
        endLsn: 148n,
        xid: 42,
        committedAtMs,
        firstOrdinal: 0,
        rows: [
          { id: 'a', ...text, createdAt },
          { id: 'b', ...text, createdAt },
        ],
        bytes,
      },
    ]);
  });

  test('without events is given too, since it moves the position', () => {
    const [only] = plain(feed(assembler(), begin(100n), commit(100n, 148n)));
    expect(only).toMatchObject({ commitLsn: 100n, endLsn: 148n, rows: [], bytes: 256 });
  });

  test('leaves nothing behind for the next one', () => {
    const target = assembler();
    feed(target, outbox, begin(100n), row('a'), row('b'), commit(100n, 148n));
    const [next] = plain(feed(target, begin(148n), row('c'), commit(148n, 190n)));
    expect(next).toMatchObject({ firstOrdinal: 0, commitLsn: 148n, rows: [{ id: 'c' }] });
  });

  test('may lie beyond the 2^53rd byte of the WAL', () => {
    const high = 0xffff_fff0_0000_0001n;
    const target = assembler();
    const big = Buffer.from(begin(0n));
    big.writeBigUInt64BE(high, 1);
    const end = Buffer.from(commit(0n, 0n));
    end.writeBigUInt64BE(high, 2);
    end.writeBigUInt64BE(high + 8n, 10);
    expect(feed(target, big, end)).toMatchObject([{ commitLsn: high, endLsn: high + 8n }]);
  });

  test('keeps nothing of the buffer it was read from', () => {
    const target = assembler();
    const message = row('kept');
    feed(target, outbox, begin(1n), message);
    message.fill(0x78);
    expect(ids(feed(target, commit(1n, 2n)))).toEqual([['kept']]);
  });
});

describe('a transaction over the limit', () => {
  test('of exactly as many rows as fit stays whole', () => {
    const parts = feed(assembler({ maxPartRows: 2 }), outbox, begin(1n), row('a'), row('b'), commit(1n, 9n));
    expect(plain(parts)).toMatchObject([{ endLsn: 9n, rows: [{ id: 'a' }, { id: 'b' }] }]);
  });

  test('of one row more is cut, and the ordinals go on', () => {
    const messages = ['a', 'b', 'c', 'd', 'e'].map((id) => row(id));
    const parts = feed(assembler({ maxPartRows: 2 }), outbox, begin(1n), ...messages, commit(1n, 9n));
    expect(ids(parts)).toEqual([['a', 'b'], ['c', 'd'], ['e']]);
    expect(parts.map(({ firstOrdinal }) => firstOrdinal)).toEqual([0, 2, 4]);
    expect(parts.map(({ endLsn }) => endLsn)).toEqual([null, null, 9n]);
    expect(new Set(parts.map(({ commitLsn }) => commitLsn))).toEqual(new Set([1n]));
  });

  test('of exactly as many bytes as fit stays whole, and of one byte more is cut', () => {
    const size = row('a').length;
    const rows = [row('a'), row('b')];
    const whole = assembler({ maxPartBytes: 2 * size });
    expect(ids(feed(whole, outbox, begin(1n), ...rows, commit(1n, 9n)))).toEqual([['a', 'b']]);
    const cut = assembler({ maxPartBytes: 2 * size - 1 });
    const parts = feed(cut, outbox, begin(1n), ...rows, commit(1n, 9n));
    expect(ids(parts)).toEqual([['a'], ['b']]);
    expect(parts.map(({ bytes }) => bytes)).toEqual([256 + size, 256 + size]);
  });

  test('gives a row that is larger than the limit by itself, never an empty part', () => {
    const parts = feed(
      assembler({ maxPartBytes: 100 }),
      ...[
        outbox,
        begin(1n),
        row('a', `"${'x'.repeat(500)}"`),
        row('b', `"${'x'.repeat(500)}"`),
        commit(1n, 9n),
      ],
    );
    expect(ids(parts)).toEqual([['a'], ['b']]);
  });
});

describe('columns', () => {
  test('NULL is null and an empty string is an empty string', () => {
    const values = ['', null, '', null, null, null, null];
    const [only] = feed(assembler(), outbox, begin(1n), insert(1, values), commit(1n, 2n));
    expect(only?.rows.at(0)).toEqual({
      id: '',
      aggregatetype: null,
      aggregateid: '',
      type: null,
      payload: null,
      headers: null,
      createdAt: null,
    });
  });

  test('are found by name, in any order and among others, under mapped names', () => {
    const target = assembler({
      outboxTable: 'shop.messages',
      columns: {
        id: 'Event Id',
        aggregatetype: 'kind',
        aggregateid: 'ref',
        type: 'what',
        payload: 'body',
        headers: '',
        createdAt: '',
      },
    });
    const described = relation(9, 'shop.messages', [
      'body',
      'extra',
      'what',
      'ref',
      'headers',
      'kind',
      'Event Id',
    ]);
    const values = ['{"ü":"💶"}', 'x', 'Placed', 'r', 'not ours', 'order', 'i'];
    const [only] = feed(target, described, begin(1n), insert(9, values), commit(1n, 2n));
    expect(only?.rows.at(0)).toEqual({
      id: 'i',
      aggregatetype: 'order',
      aggregateid: 'r',
      type: 'Placed',
      payload: '{"ü":"💶"}',
      headers: null,
      createdAt: null,
    });
  });

  test.each(outboxColumns)('a row without the column %s is a fault of its transaction', (missing) => {
    const columns = outboxColumns.filter((column) => column !== missing);
    const target = assembler();
    const values = columns.map(() => 'x');
    feed(target, relation(1, 'outbox.event', columns), begin(0x1a0n), insert(1, values), insert(1, values));
    const [transaction] = feed(target, commit(0x1a0n, 0x1b0n));
    expect(transaction).toMatchObject({ commitLsn: 0x1a0n, endLsn: 0x1b0n, rows: { length: 0 }, bytes: 256 });
    expect(transaction?.fault).toMatchObject({ code: 'OUTBOX_TABLE_INVALID' });
    expect(transaction?.fault?.message).toMatch(new RegExp(`no column ${missing} .* 0/1A0`));
  });

  test('a table that lost a column in mid-transaction makes that transaction a fault, and no other', () => {
    const target = assembler();
    const renamed = outboxColumns.map((column) => (column === 'payload' ? 'body' : column));
    const without = relation(1, 'outbox.event', renamed);
    const parts = feed(
      target,
      ...[
        outbox,
        begin(1n),
        row('a'),
        commit(1n, 2n),
        begin(3n),
        row('b'),
        without,
        row('c'),
        outbox,
        row('d'),
      ],
      ...[commit(3n, 4n), begin(5n), row('e'), commit(5n, 6n)],
    );
    expect(ids(parts)).toEqual([['a'], [], ['e']]);
    expect(parts.map(({ fault }) => fault?.code)).toEqual([undefined, 'OUTBOX_TABLE_INVALID', undefined]);
  });

  test('of a table that was altered are taken as it is described again', () => {
    const target = assembler();
    feed(target, outbox, begin(1n), row('a'), commit(1n, 2n));
    const again = relation(1, 'outbox.event', ['added', ...outboxColumns]);
    const values = ['new', 'b', 'order', 'k', 'Placed', '{}', '{}', 'now'];
    expect(ids(feed(target, again, begin(2n), insert(1, values), commit(2n, 3n)))).toEqual([['b']]);
  });

  test('of a table that was altered within a transaction are taken as each row had them', () => {
    const again = relation(1, 'outbox.event', ['added', ...outboxColumns]);
    const later = insert(1, ['new', 'b', 'order', 'k', 'Placed', '{}', '{}', 'now']);
    expect(ids(feed(assembler(), outbox, begin(1n), row('a'), again, later, commit(1n, 2n)))).toEqual([
      ['a', 'b'],
    ]);
  });

  test.each([
    ['fewer', ['a', 'order']],
    ['more', ['a', 'order', 'k', 'Placed', '{}', '{}', 'now', 'x']],
  ])('a row with %s columns than its table is refused', (_, values) => {
    expect(codeOf(() => feed(assembler(), outbox, begin(1n), insert(1, values)))).toBe('DECODE_FAILED');
  });

  test('in binary, or left out as unchanged, are refused: they never occur in an insert', () => {
    for (const kind of ['b', 'u']) {
      const message = row('a');
      message.write(kind, 8);
      expect(codeOf(() => feed(assembler(), outbox, begin(1n), message))).toBe('DECODE_FAILED');
    }
  });
});

describe('a row over the limit', () => {
  const limit = 200_000;
  const [small, large] = ['x'.repeat(60_000), 'y'.repeat(limit)];
  const one = (options: Partial<AssemblerOptions>, message: Buffer, relationMessage = outbox) => {
    const parts = feed(
      assembler({ maxRowBytes: limit, ...options }),
      relationMessage,
      begin(100n),
      message,
      commit(100n, 148n),
    );
    return { bytes: parts[0]!.bytes, row: rowsOf(parts[0]!)[0]! };
  };

  test('is kept without its large columns, and with what names it', () => {
    const message = insert(1, ['a', 'order', 'k', 'Placed', large, small, null]);
    const { row: kept, bytes } = one({}, message);
    const rowBytes = limit + small.length + 1 + 5 + 1 + 6;
    expect(kept).toEqual({
      ...blankRow,
      id: 'a',
      aggregatetype: 'order',
      aggregateid: 'k',
      type: 'Placed',
      headers: small,
      leftOut: { rowBytes, payload: limit },
    });
    expect(bytes).toBeLessThan(62_000);
  });

  test('keeps the beginning of a name, in whole characters', () => {
    // 999 bytes and the first one of four.
    const name = `${'n'.repeat(999)}\u{1F4B6}${large}`;
    const { row: kept } = one({}, insert(1, [name, 'order', 'k', 'Placed', '{}', '{}', null]));
    expect(kept).toMatchObject({ id: `${'n'.repeat(999)}…`, payload: '{}' });
    expect(kept.leftOut).toMatchObject({ id: limit + 1003 });
  });

  test('is measured by the columns that an event is made of; others are not kept', () => {
    const wide = relation(1, 'outbox.event', [...outboxColumns, 'attachment']);
    const values = ['a', 'order', 'k', 'Placed', small, null, null, large];
    const { row: kept, bytes } = one({}, insert(1, values), wide);
    expect(kept).toEqual({
      ...blankRow,
      id: 'a',
      aggregatetype: 'order',
      aggregateid: 'k',
      type: 'Placed',
      payload: small,
    });
    expect(bytes).toBeLessThan(62_000);
  });

  test('is kept whole at the limit, and is no reason to cut a transaction over it', () => {
    const message = row('a', 'z'.repeat(limit - 'aorderkPlaced{}'.length - 29));
    expect(one({}, message).row.leftOut).toBeUndefined();
    expect(one({}, row('a', 'z'.repeat(limit - 'aorderkPlaced{}'.length - 28))).row.leftOut).toEqual({
      rowBytes: limit + 1,
      payload: limit - 'aorderkPlaced{}'.length - 28,
    });
    const target = assembler({ maxRowBytes: limit, maxPartBytes: 2 * limit });
    const parts = feed(target, outbox, begin(100n), row('a'), row('b', large.repeat(3)), commit(100n, 148n));
    expect(ids(parts)).toEqual([['a', 'b']]);
  });
});

describe('other relations', () => {
  test('are passed over, also a partition that is described beside its root', () => {
    const leaf = relation(3, 'outbox.event_20260101', outboxColumns);
    const other = relation(4, 'shop.event', outboxColumns);
    const foreign = (oid: number) => insert(oid, ['x', 'order', 'k', 'Placed', '{}', '{}', 'now']);
    const messages = [outbox, leaf, other, begin(1n), foreign(4), row('a'), foreign(3), commit(1n, 2n)];
    const parts = feed(assembler(), ...messages);
    expect(parts).toMatchObject([{ firstOrdinal: 0, bytes: 256 + row('a').length }]);
    expect(ids(parts)).toEqual([['a']]);
  });

  test.each(['Y', 'O', 'M', 'T', 'U', 'D'])('a message %s in between makes no event', (kind) => {
    const parts = feed(assembler(), outbox, begin(1n), Buffer.from(`${kind}...`), row('a'), commit(1n, 2n));
    expect(ids(parts)).toEqual([['a']]);
  });

  test('a row of a relation that was never described is refused', () => {
    expect(codeOf(() => feed(assembler(), begin(1n), row('a')))).toBe('DECODE_FAILED');
  });
});

describe('the heartbeat', () => {
  test('of our slot is told with its transaction, and is no event', () => {
    const target = assembler();
    const [beat] = plain(
      feed(target, heartbeat, begin(1n), insert(2, ['ours', '17', 'now']), commit(1n, 2n)),
    );
    expect(beat).toMatchObject({ beat: 17, rows: [], endLsn: 2n });
    const [next] = feed(target, outbox, begin(2n), row('a'), commit(2n, 3n));
    expect(next?.beat).toBeUndefined();
  });

  test('of another slot is passed over', () => {
    const [only] = feed(
      assembler(),
      heartbeat,
      begin(1n),
      insert(2, ['theirs', '17', 'now']),
      commit(1n, 2n),
    );
    expect(only?.beat).toBeUndefined();
  });
});

describe('a request to release a key', () => {
  const request = (slot: string, number: string) => insert(2, [`${slot}/release`, number, 'now']);

  test('of our slot is told with its transaction, is no heartbeat and no event', () => {
    const [only] = plain(
      feed(assembler(), heartbeat, begin(1n), request('ours', '3'), request('ours', '4'), commit(1n, 2n)),
    );
    expect(only).toMatchObject({ releases: [3, 4], rows: [] });
    expect(only?.beat).toBeUndefined();
  });

  test('of another slot is passed over', () => {
    const [only] = feed(assembler(), heartbeat, begin(1n), request('theirs', '3'), commit(1n, 2n));
    expect(only?.releases).toBeUndefined();
  });

  test('comes with the last part of a transaction, which alone says that it is whole', () => {
    const parts = feed(
      assembler({ maxPartRows: 1 }),
      outbox,
      heartbeat,
      begin(1n),
      request('ours', '3'),
      row('a'),
      row('b'),
      commit(1n, 2n),
    );
    expect(parts.map(({ releases, endLsn }) => [releases, endLsn])).toEqual([
      [undefined, null],
      [[3], 2n],
    ]);
  });
});

describe('what cannot be read', () => {
  const messages: [string, Buffer, Buffer[]][] = [
    ['begin', begin(1n), []],
    ['commit', commit(1n, 2n), [begin(1n)]],
    ['relation', outbox, []],
    ['insert', row('a'), [outbox, begin(1n)]],
    ['heartbeat', insert(2, ['ours', '17', 'now']), [heartbeat, begin(1n)]],
  ];
  test.each(messages)('a %s cut short at any byte is DECODE_FAILED', (_, message, before) => {
    for (let length = 0; length < message.length; length++) {
      const target = assembler();
      feed(target, ...before);
      expect([length, codeOf(() => target.push(message.subarray(0, length)))]).toEqual([
        length,
        'DECODE_FAILED',
      ]);
    }
  });

  test('an unknown message is DECODE_FAILED, and so is one of the streaming protocol', () => {
    for (const kind of ['?', 'S', 'E', 'c', 'b'])
      expect(codeOf(() => assembler().push(Buffer.from(`${kind}xxxxxxxxxxxxxxxxxxxx`)))).toBe(
        'DECODE_FAILED',
      );
  });

  test('a row or a commit outside a transaction is DECODE_FAILED', () => {
    expect(codeOf(() => feed(assembler(), outbox, row('a')))).toBe('DECODE_FAILED');
    expect(codeOf(() => feed(assembler(), commit(1n, 2n)))).toBe('DECODE_FAILED');
    const target = assembler();
    feed(target, begin(1n), commit(1n, 2n));
    expect(codeOf(() => target.push(commit(1n, 2n)))).toBe('DECODE_FAILED');
  });

  test('a commit of another transaction than was begun is DECODE_FAILED', () => {
    expect(codeOf(() => feed(assembler(), begin(1n), commit(2n, 3n)))).toBe('DECODE_FAILED');
  });

  test('no text of a row is in the message of an error', () => {
    const message = row('canary-4711', '{"secret":"canary-4711"}');
    const target = assembler();
    feed(target, outbox, begin(1n));
    expect(() => target.push(message.subarray(0, message.length - 40))).toThrow(/^(?!.*canary)/);
  });
});
