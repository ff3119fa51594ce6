/**
 * Reports rows of another table that has all columns of the outbox, as after the outbox was renamed and a new one made in
 * its place. They are not published.
 */
import type { Config } from '../config/config.ts';
import type { RelayObserver } from '../observe/observer.ts';
import type { Duty } from './duty.ts';

type Means = {
  readonly config: Config;
  readonly observer: RelayObserver;
  /** Rows so far, by table. */
  readonly stream: () => { readonly lookalikes: ReadonlyMap<string, number> };
};

export function lookalikesDuty({ config, observer, stream }: Means): Duty {
  const reported = new Map<string, number>();
  return {
    name: 'lookalikes',
    everyMs: config.capture.heartbeatMs,
    run: async () => {
      for (const [table, rows] of stream().lookalikes) {
        const more = rows - (reported.get(table) ?? 0);
        if (more === 0) continue;
        reported.set(table, rows);
        observer.lookalikesSeen?.({ table, rows: more });
      }
    },
  };
}
