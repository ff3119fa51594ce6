/** Looks at the slot and says what it finds: the first warning that Postgres is about to give up WAL that is needed. */
import type pg from 'pg';
import { readSlot, type SlotState } from '../capture/slot.ts';
import type { Config } from '../config/config.ts';
import { asRelayError, RelayError } from '../errors.ts';
import type { RelayObserver } from '../observe/observer.ts';
import type { Duty } from './duty.ts';

/** One row of a view in shared memory, 0.2 ms: often enough to see a slot that is about to be lost before it is. */
const slotIntervalMs = 1_000;

type Means = { readonly config: Config; readonly pool: pg.Pool; readonly observer: RelayObserver };

export function slotHealthDuty({ config, pool, observer }: Means): Duty {
  const { slot } = config;
  return {
    name: 'slot_health',
    everyMs: Math.min(slotIntervalMs, config.capture.heartbeatMs),
    run: async () => {
      if ((await observeSlot(pool, slot, observer)) === undefined)
        throw new RelayError('SLOT_MISSING', `slot ${slot} is gone`);
    },
  };
}

/**
 * The slot, or undefined where there is none. Says what it finds, also where the slot is lost.
 * @throws RelayError SLOT_WRONG_KIND, SLOT_INVALIDATED, POSTGRES_*
 */
export async function observeSlot(
  pool: pg.Pool | pg.ClientBase,
  slot: string,
  observer: RelayObserver,
): Promise<SlotState | undefined> {
  try {
    const found = await readSlot(pool, slot);
    if (found !== undefined) observer.slotSeen?.(found);
    return found;
  } catch (error) {
    const { code, context } = asRelayError(error);
    if (code === 'SLOT_INVALIDATED')
      observer.slotLost?.({ reason: typeof context.reason === 'string' ? context.reason : null });
    throw error;
  }
}
