/** Compares the publication and the outbox table with what they were when the session began. */
import type pg from 'pg';
import { assertStreamable, examineOutbox } from '../capture/outbox-table.ts';
import { assertSamePublication, readPublication } from '../capture/publication.ts';
import type { Config } from '../config/config.ts';
import type { Duty } from './duty.ts';
import type { UncoveredHeartbeats } from './uncovered-heartbeats.ts';

type Means = { readonly config: Config; readonly pool: pg.Pool; readonly publication: string };

export function publicationDuty({ config, pool, publication }: Means, uncovered: UncoveredHeartbeats): Duty {
  return {
    name: 'publication',
    everyMs: config.capture.heartbeatMs,
    // A table that is gone or renamed is no longer streamed under its name.
    endsStreamOn: ['OUTBOX_TABLE_INVALID'],
    run: async () => {
      const { latestBeat } = uncovered;
      assertSamePublication(publication, await readPublication(pool, config));
      assertStreamable(await examineOutbox(pool, config), false);
      uncovered.publicationWasSame(latestBeat);
    },
  };
}
