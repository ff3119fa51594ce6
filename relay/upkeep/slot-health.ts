/** Looks at the slot and keeps its gauges: the first warning that Postgres is about to give up WAL that is needed. */
import type pg from 'pg';
import { readSlot, type SlotState } from '../capture/slot.ts';
import { asRelayError } from '../errors.ts';
import type { Metrics } from '../observe/metrics.ts';

/**
 * The slot, or undefined where there is none; its gauges are up to date then, also where it is lost.
 * @throws RelayError SLOT_WRONG_KIND, SLOT_INVALIDATED, POSTGRES_*
 */
export async function observeSlot(
  pool: pg.Pool | pg.ClientBase,
  slot: string,
  metrics: Pick<Metrics, 'setSlot' | 'setSlotLost'>,
): Promise<SlotState | undefined> {
  try {
    const found = await readSlot(pool, slot);
    if (found !== undefined) metrics.setSlot(found);
    return found;
  } catch (error) {
    const { code, context } = asRelayError(error);
    if (code === 'SLOT_INVALIDATED')
      metrics.setSlotLost(typeof context.reason === 'string' ? context.reason : null);
    throw error;
  }
}
