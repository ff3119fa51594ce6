import { describe, expect, test } from 'vitest';
import { committedRecords, type FetchedBatch } from '../../../../relay/publish/wire/fetch.ts';

const batch = (
  lastOffset: bigint,
  producerId: bigint,
  rest: Partial<FetchedBatch> & { readonly offsets?: readonly bigint[] } = {},
): FetchedBatch => ({
  lastOffset,
  producerId,
  isTransactional: true,
  records: (rest.offsets ?? [lastOffset]).map((offset) => ({
    offset,
    timestampMs: 0,
    key: null,
    value: null,
    headers: [],
    producerId,
  })),
  ...rest,
});
const marker = (lastOffset: bigint, producerId: bigint, ending: 'commit' | 'abort') =>
  batch(lastOffset, producerId, { ending, offsets: [] });

const offsetsOf = (
  batches: readonly FetchedBatch[],
  aborted: readonly { producerId: bigint; firstOffset: bigint }[] = [],
  fromOffset = 0n,
) => {
  const { records, nextOffset } = committedRecords({ aborted, batches }, fromOffset);
  return { offsets: records.map(({ offset }) => offset), nextOffset };
};

describe('of what was fetched under read_committed', () => {
  test('what was committed counts, and reading goes on behind the marker', () => {
    expect(offsetsOf([batch(0n, 1n), marker(1n, 1n, 'commit')])).toEqual({ offsets: [0n], nextOffset: 2n });
  });

  test('what was aborted does not count, and the same producer counts again from its next transaction on', () => {
    const batches = [batch(0n, 1n), marker(1n, 1n, 'abort'), batch(2n, 1n), marker(3n, 1n, 'commit')];
    expect(offsetsOf(batches, [{ producerId: 1n, firstOffset: 0n }]).offsets).toEqual([2n]);
  });

  test('transactions that overlap are told apart by their producer', () => {
    const batches = [
      batch(0n, 1n),
      batch(1n, 2n),
      batch(2n, 1n),
      marker(3n, 1n, 'abort'),
      batch(4n, 2n),
      marker(5n, 2n, 'commit'),
    ];
    expect(offsetsOf(batches, [{ producerId: 1n, firstOffset: 0n }]).offsets).toEqual([1n, 4n]);
  });

  test('aborted transactions may come in any order', () => {
    const batches = [
      batch(0n, 1n),
      marker(1n, 1n, 'abort'),
      batch(2n, 2n),
      marker(3n, 2n, 'abort'),
      batch(4n, 3n),
    ];
    const aborted = [
      { producerId: 2n, firstOffset: 2n },
      { producerId: 1n, firstOffset: 0n },
    ];
    expect(offsetsOf(batches, aborted).offsets).toEqual([4n]);
  });

  test('a producer without transactions counts, even with the id of an aborted one', () => {
    const batches = [batch(0n, 1n, { isTransactional: false })];
    expect(offsetsOf(batches, [{ producerId: 1n, firstOffset: 0n }]).offsets).toEqual([0n]);
  });

  test('records of a batch below the offset asked for were read before', () => {
    const batches = [batch(4n, 1n, { offsets: [2n, 3n, 4n] })];
    expect(offsetsOf(batches, [], 4n)).toEqual({ offsets: [4n], nextOffset: 5n });
  });

  test('a batch that compaction has emptied is passed', () => {
    expect(offsetsOf([batch(9n, 1n, { offsets: [] })])).toEqual({ offsets: [], nextOffset: 10n });
  });

  test('an answer with nothing stays where it is', () => {
    expect(offsetsOf([], [], 7n)).toEqual({ offsets: [], nextOffset: 7n });
  });
});
