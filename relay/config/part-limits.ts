/** How much of a large Postgres transaction is in memory at once: what capture delivers, and what one write holds. */
import type { Config } from './schema.ts';

export type Size = { readonly events: number; readonly bytes: number };

type Settings = Pick<
  Config['publish'],
  'partEvents' | 'partBytes' | 'maxTransactionEvents' | 'maxTransactionBytes'
>;

/** Most of one Kafka transaction. */
export function transactionLimits({ maxTransactionEvents, maxTransactionBytes }: Settings): Size {
  return {
    events: maxTransactionEvents || Number.POSITIVE_INFINITY,
    bytes: maxTransactionBytes || Number.POSITIVE_INFINITY,
  };
}

/** A part never exceeds what one Kafka transaction may hold. */
export const partEventsOf = ({ partEvents, maxTransactionEvents }: Settings): number =>
  maxTransactionEvents === 0 ? partEvents : Math.min(partEvents, maxTransactionEvents);

export const partBytesOf = ({ partBytes, maxTransactionBytes }: Settings): number =>
  maxTransactionBytes === 0 ? partBytes : Math.min(partBytes, maxTransactionBytes);

export const partLimits = (publish: Settings): Size => ({
  events: partEventsOf(publish),
  bytes: partBytesOf(publish),
});
