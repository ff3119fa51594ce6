import { expect, test } from 'vitest';
import { type OriginFacts, Origins } from '../../../relay/audit/origin.ts';

const firstStartMs = Date.UTC(2026, 0, 2);
const [earlier, later] = [firstStartMs - 86_400_000, firstStartMs + 86_400_000];
/** All below 100 had ended, 102 and 105 were running. */
const snapshot = '100:110:102,105';

const origins = (facts: Partial<OriginFacts> = {}, xmax = 1_000n) =>
  new Origins({ first: snapshot, streamed: snapshot, firstStartMs, ...facts }, xmax);

test.each([
  ['below the snapshot', '99', 'before'],
  ['running at the snapshot', '102', 'streamed'],
  ['begun after the snapshot', '110', 'streamed'],
  ['written by initdb', '1', 'before'],
])('the transaction decides, whatever the row says: %s', (_, xmin, expected) => {
  for (const createdAtMs of [earlier, later, null, Number.POSITIVE_INFINITY])
    expect(origins().of(xmin, createdAtMs)).toBe(expected);
});

test('where no snapshot tells, a row that says it is older than the mark is undated, and every other one must be there', () => {
  const savepoint = '104';
  const unknown = { first: null, streamed: null };
  for (const [known, xmin] of [
    [origins(), savepoint],
    [origins(unknown), '99'],
    [origins({ first: null }), '99'],
  ] as const) {
    expect(known.of(xmin, earlier)).toBe('undated');
    expect(known.of(xmin, later)).toBe('streamed');
    expect(known.of(xmin, null)).toBe('streamed');
  }
  const none = origins({ ...unknown, firstStartMs: Number.NEGATIVE_INFINITY });
  expect(none.of('99', earlier)).toBe('streamed');
});

test('what the stream brings from a later snapshot on is known without the first one', () => {
  expect(origins({ first: null }).of('110', earlier)).toBe('streamed');
});

test('a number that comes again proves nothing', () => {
  const epoch = 1n << 32n;
  expect(origins({}, epoch + 1_000n).of('110', earlier)).toBe('undated');
  expect(origins({}, epoch + 1_000n).of('110', later)).toBe('streamed');
  // The last numbers of the epoch before.
  expect(origins({}, epoch + 1_000n).of('4000000000', earlier)).toBe('streamed');
});

test('each row of a transaction is judged alike, and by its own time where the transaction does not tell', () => {
  const known = origins({ first: null, streamed: null });
  expect([earlier, later, earlier].map((ms) => known.of('99', ms))).toEqual([
    'undated',
    'streamed',
    'undated',
  ]);
  const both = origins();
  expect(['99', '110', '99'].map((xmin) => both.of(xmin, later))).toEqual(['before', 'streamed', 'before']);
});
