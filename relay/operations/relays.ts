/** The relays of a slot, as they announced themselves: where each runs and what it does. */
import type { Config } from '../config/config.ts';
import { endLastWords, type KnownRelay, readRelays } from '../ledger/relays.ts';
import { withPool } from './with-pool.ts';

export type { KnownRelay } from '../ledger/relays.ts';

/** Those that stream first. @throws RelayError POSTGRES_* */
export function listRelays(config: Config): Promise<KnownRelay[]> {
  return withPool(config, (pool) => readRelays(pool, config.slot.name));
}

/** A person has repaired it. Only what `status` says depends on it, so it never fails. */
export async function forgetWhyRelaysStopped(config: Config, by: string): Promise<void> {
  await withPool(config, (pool) => endLastWords(pool, config.slot.name, by)).catch(() => {});
}
