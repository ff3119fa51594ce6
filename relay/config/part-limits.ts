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
export function partLimits(publish: Settings): Size {
  const { events, bytes } = transactionLimits(publish);
  return { events: Math.min(publish.partEvents, events), bytes: Math.min(publish.partBytes, bytes) };
}
