/** Observes the slot while its stream runs: the first warning that Postgres is about to give up WAL that is needed. */
import type pg from 'pg';
import { observeSlot } from '../capture/observe-slot.ts';
import type { Config } from '../config/config.ts';
import { RelayError } from '../errors.ts';
import type { RelayObserver } from '../observe/observer.ts';
import type { Duty } from './duty.ts';
import { lookEveryMs } from './watch-slot.ts';

type Means = { readonly config: Config; readonly pool: pg.Pool; readonly observer: RelayObserver };

export function slotHealthDuty({ config, pool, observer }: Means): Duty {
  const {
    slot: { name: slot },
  } = config;
  return {
    name: 'slot_health',
    everyMs: Math.min(lookEveryMs, config.capture.heartbeatMs),
    run: async () => {
      if ((await observeSlot(pool, slot, observer)) === undefined)
        throw new RelayError('SLOT_MISSING', `slot ${slot} is gone`);
    },
  };
}
