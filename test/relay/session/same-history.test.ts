import { describe, expect, test } from 'vitest';
import type { Landmark } from '../../../relay/model/progress.ts';
import { SameHistory } from '../../../relay/session/same-history.ts';

const last: Landmark = { commitLsn: 1_000n, committedAtMs: 70 };
const at = (commitLsn: bigint, committedAtMs = 1): Landmark => ({ commitLsn, committedAtMs });

/** The code of the first refusal of a stream that begins at `slotLsn`. */
function refusal(expected: Landmark | undefined, slotLsn: bigint, stream: readonly Landmark[]): unknown {
  const history = new SameHistory({ last: expected }, slotLsn);
  try {
    for (const transaction of stream) history.assertTold(transaction);
    return undefined;
  } catch (error) {
    return error;
  }
}

describe('the stream tells the history that was published', () => {
  test.each([
    ['when it brings the last published transaction again', 900n, [at(950n), last, at(1_040n)]],
    ['when it brings it in parts', 1_000n, [last, last, at(1_040n)]],
    ['when the slot begins behind it, for a relay told it so', 1_001n, [at(1_040n)]],
    ['as long as it has not come that far', 900n, [at(950n), at(999n)]],
  ])('%s', (_, slotLsn, stream) => {
    expect(refusal(last, slotLsn, stream)).toBeUndefined();
  });

  test('when nothing is known of the last transaction, as of a progress of an earlier release', () => {
    expect(refusal(undefined, 900n, [at(950n), at(1_040n)])).toBeUndefined();
  });
});

describe('the stream tells another history', () => {
  test.each([
    ['when it passes the place of the last published transaction', [at(950n), at(1_001n)]],
    ['when another transaction has come to be at that place', [at(950n), at(1_000n, 71)]],
    ['when it begins behind that place', [at(1_040n)]],
  ])('%s', (_, stream) => {
    expect(refusal(last, 1_000n, stream)).toMatchObject({ code: 'LINEAGE_REWOUND' });
  });
});
