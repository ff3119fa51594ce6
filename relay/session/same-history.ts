/**
 * The last check of lineage, which only the stream can make. `lineage.ts` compares numbers, and a database that was
 * restored to an earlier state on the same timeline may have written as much WAL again as was published: its new
 * transactions would look published and be skipped. But its slot is as old as everything else in it, from before what it
 * lost. So the stream starts there, and must bring the last transaction that the progress covers again, unchanged.
 *
 * A slot that starts after that transaction was moved there by a relay, after it published: it is no earlier state.
 */
import { RelayError } from '../errors.ts';
import { formatLsn, type Lsn } from '../model/position.ts';
import type { Landmark, Progress } from '../model/progress.ts';
import { refusalCodes } from './lineage.ts';

export class SameHistory {
  /** Has yet to come. */
  #expected: Landmark | undefined;

  /** @param slotLsn where the stream starts: the server leaves out what was committed before it */
  constructor({ last }: Pick<Progress, 'last'>, slotLsn: Lsn) {
    this.#expected = last !== undefined && last.commitLsn >= slotLsn ? last : undefined;
  }

  /** Takes each transaction in stream order, before anything is done with it. @throws RelayError LINEAGE_REWOUND */
  assertTold({ commitLsn, committedAtMs }: Landmark): void {
    const expected = this.#expected;
    if (expected === undefined || commitLsn < expected.commitLsn) return;
    if (commitLsn > expected.commitLsn || committedAtMs !== expected.committedAtMs)
      throw new RelayError(
        refusalCodes.rewound,
        `a transaction committed at ${formatLsn(expected.commitLsn)} was published, and this database has ${commitLsn > expected.commitLsn ? 'none' : 'another one'} there: it was restored from an earlier state, and written to since`,
      );
    this.#expected = undefined;
  }
}
