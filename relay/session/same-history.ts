/**
 * Whether the stream tells the history that was published. Lineage compares numbers, and a database that was restored to an
 * earlier state on the same timeline has had time to write as much WAL again as was published: its new transactions would
 * be taken for published ones and passed over. But its slot is from before what it lost, as everything else in it. So the
 * stream begins there, and has to bring the last transaction that the progress covers, once more and as it was.
 *
 * A slot that begins behind that transaction was told so by a relay, after it was published: it is no earlier state.
 */
import { RelayError } from '../errors.ts';
import { formatLsn, type Lsn } from '../model/position.ts';
import type { Landmark, Progress } from '../model/progress.ts';

export class SameHistory {
  /** Has yet to come. */
  #expected: Landmark | undefined;

  /** @param slotLsn where the stream begins: the server leaves out what was committed before it */
  constructor({ last }: Pick<Progress, 'last'>, slotLsn: Lsn) {
    this.#expected = last !== undefined && last.commitLsn >= slotLsn ? last : undefined;
  }

  /** To be told of each transaction in the order of the stream, before anything comes of it. @throws LINEAGE_REWOUND */
  assertTold({ commitLsn, committedAtMs }: Landmark): void {
    const expected = this.#expected;
    if (expected === undefined || commitLsn < expected.commitLsn) return;
    if (commitLsn > expected.commitLsn || committedAtMs !== expected.committedAtMs)
      throw new RelayError(
        'LINEAGE_REWOUND',
        `a transaction committed at ${formatLsn(expected.commitLsn)} was published, and this database has ${commitLsn > expected.commitLsn ? 'none' : 'another one'} there: it was restored from an earlier state, and written to since`,
      );
    this.#expected = undefined;
  }
}
