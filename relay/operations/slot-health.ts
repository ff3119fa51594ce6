/** The health of a slot in words, for `check` and `status`. */
import type { SlotState } from '../capture/slot.ts';

export function describeSlotHealth({
  walStatus,
  safeWalBytes,
}: Pick<SlotState, 'walStatus' | 'safeWalBytes'>): string {
  const limit =
    safeWalBytes === null
      ? 'no max_slot_wal_keep_size'
      : `${describeBytes(Math.max(0, safeWalBytes))} left before the slot is at risk`;
  return `wal_status ${walStatus ?? 'unknown'}, ${limit}`;
}

export function describeBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
