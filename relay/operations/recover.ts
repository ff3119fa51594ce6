/** Closes a gap between the outbox table and Kafka, for a person; the steps are in the room of the same name. */
import type { RecoverOptions } from '../recover/options.ts';
import { recover } from '../recover/recover.ts';
import type { Recovery } from '../recover/report.ts';
import type { Actor } from './actor.ts';
import { recordAction } from './trail.ts';
import { withPool } from './with-pool.ts';

export type { RecoverOptions, RecoverStage } from '../recover/options.ts';
export type { Recovery, Some } from '../recover/report.ts';

/** @throws RequestInvalid if nothing is lost; RelayError as `recover` does */
export async function recoverByHand(options: RecoverOptions, actor: Actor): Promise<Recovery> {
  const { config, isDryRun, isForced, acceptsRewound, acceptsWritingOrder, skipsUnreadable, unjudged } =
    options;
  const details = { isForced, acceptsRewound, acceptsWritingOrder, skipsUnreadable, unjudged };
  const action = { slot: config.slot.name, what: 'recover', target: null, details } as const;
  if (!isDryRun) await withPool(config, (pool) => recordAction(pool, action, actor));
  return recover(options);
}
