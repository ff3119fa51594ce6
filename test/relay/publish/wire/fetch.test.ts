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
    producerEpoch: 0,
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

describe('in a fetch under read_committed', () => {
  test('committed records count, and reading continues after the marker', () => {
    expect(offsetsOf([batch(0n, 1n), marker(1n, 1n, 'commit')])).toEqual({ offsets: [0n], nextOffset: 2n });
  });

  test('aborted records do not count, and those of the next transaction of the same producer do', () => {
    const batches = [batch(0n, 1n), marker(1n, 1n, 'abort'), batch(2n, 1n), marker(3n, 1n, 'commit')];
    expect(offsetsOf(batches, [{ producerId: 1n, firstOffset: 0n }]).offsets).toEqual([2n]);
  });

  test('overlapping transactions are distinguished by their producer', () => {
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

  test('aborted transactions may be listed in any order', () => {
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

  test('records without a transaction count, even with the producer id of an aborted one', () => {
    const batches = [batch(0n, 1n, { isTransactional: false })];
    expect(offsetsOf(batches, [{ producerId: 1n, firstOffset: 0n }]).offsets).toEqual([0n]);
  });

  test('records of a batch before the requested offset are skipped', () => {
    const batches = [batch(4n, 1n, { offsets: [2n, 3n, 4n] })];
    expect(offsetsOf(batches, [], 4n)).toEqual({ offsets: [4n], nextOffset: 5n });
  });

  test('a batch that compaction has emptied is skipped', () => {
    expect(offsetsOf([batch(9n, 1n, { offsets: [] })])).toEqual({ offsets: [], nextOffset: 10n });
  });

  test('an empty answer does not advance the offset', () => {
    expect(offsetsOf([], [], 7n)).toEqual({ offsets: [], nextOffset: 7n });
  });
});
