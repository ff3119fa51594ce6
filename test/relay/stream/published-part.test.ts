import { describe, expect, test } from 'vitest';
import { RelayError } from '../../../relay/errors.ts';
import type { Progress } from '../../../relay/model/progress.ts';
import { publishedPart } from '../../../relay/stream/published-part.ts';
import { transactionOf } from '../capture/rows.ts';

/** Whole transactions up to 100, and the first three events of the one at 120. */
const claimed = { endLsn: 100n, partial: { commitLsn: 120n, ordinal: 3 } } as Progress;
const fault = new RelayError('OUTBOX_TABLE_INVALID', 'a column is missing');

describe('of a transaction', () => {
  test.each([
    ['before the end of the progress, everything', transactionOf(99n, 2), 'all'],
    ['before the end, without events, everything', transactionOf(99n, 0), 'all'],
    ['at the end, nothing: it was committed behind what is published', transactionOf(100n, 2), 0],
    ['between the end and the part, nothing', transactionOf(110n, 2), 0],
    ['without events, nothing: it is still to be covered', transactionOf(110n, 0), 0],
    ['that is published in part, that part', transactionOf(120n, 5), 3],
    ['behind it, nothing', transactionOf(130n, 2), 0],
  ])('%s', (_, transaction, expected) => {
    expect(publishedPart(claimed, transaction)).toBe(expected);
  });
});

describe('of the parts of a transaction that is published in part', () => {
  test.each([
    ['a part that ends at the progress, everything', 0, 3, 'all'],
    ['a part across the progress, its beginning', 2, 4, 1],
    ['a part that begins at the progress, nothing', 3, 2, 0],
    ['a part behind the progress, nothing', 4, 2, 0],
    ['the end of it without events, nothing: it has to be covered', 3, 0, 0],
  ])('%s', (_, firstOrdinal, count, expected) => {
    expect(publishedPart(claimed, transactionOf(120n, count, { firstOrdinal }))).toBe(expected);
  });
});

describe('of a transaction whose rows cannot be read', () => {
  test.each([
    ['before the end of the progress, everything, so that its fault is passed', 99n, 'all'],
    ['published in part, no more than that: how many rows it has is unknown', 120n, 3],
    ['behind it, nothing', 130n, 0],
  ])('%s', (_, commitLsn, expected) => {
    expect(publishedPart(claimed, transactionOf(commitLsn, 0, { fault }))).toBe(expected);
  });
});
