/** How much of a large Postgres transaction is in memory at once: what capture delivers, and what one write holds. */
import type { Config } from './schema.ts';

export type Size = { readonly events: number; readonly bytes: number };

type Settings = Pick<
  Config['publish'],
  'partEvents' | 'partBytes' | 'maxTransactionEvents' | 'maxTransactionBytes'
>;

const orNone = (limit: number): number => (limit === 0 ? Number.POSITIVE_INFINITY : limit);

/** Most of one Kafka transaction. */
export const transactionLimits = ({ maxTransactionEvents, maxTransactionBytes }: Settings): Size => ({
  events: orNone(maxTransactionEvents),
  bytes: orNone(maxTransactionBytes),
});

/** A part never exceeds what one Kafka transaction may hold. */
export const partEventsOf = ({ partEvents, maxTransactionEvents }: Settings): number =>
  Math.min(partEvents, orNone(maxTransactionEvents));

export const partBytesOf = ({ partBytes, maxTransactionBytes }: Settings): number =>
  Math.min(partBytes, orNone(maxTransactionBytes));

export const partLimits = (publish: Settings): Size => ({
  events: partEventsOf(publish),
  bytes: partBytesOf(publish),
});
