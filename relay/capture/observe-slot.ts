/** Reads the slot and reports its state to the observer, also if Postgres has invalidated it. */
import type pg from 'pg';
import { asRelayError } from '../errors.ts';
import type { RelayObserver } from '../observe/observer.ts';
import { readSlot, type SlotState } from './slot.ts';

/**
 * @returns undefined if the slot does not exist
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
