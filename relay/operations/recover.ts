/**
 * Closes a gap between the outbox table and Kafka, for a person; the steps are in the room of the same name. While it
 * works it announces itself as relays do, so that `status` shows on every machine who recovers, and how far it is.
 */
import { asRelayError } from '../errors.ts';
import { describeRecoveryStage } from '../observe/health-listener.ts';
import type { RecoverOptions, RecoverStage } from '../recover/options.ts';
import { recover } from '../recover/recover.ts';
import type { Recovery } from '../recover/report.ts';
import { instanceName } from '../session/instance.ts';
import type { Actor } from './actor.ts';
import { Announcer } from './announce.ts';
import { forgetWhyRelaysStopped } from './relays.ts';
import { recordAction } from './trail.ts';
import { withPool } from './with-pool.ts';

export type { RecoverOptions, RecoverStage } from '../recover/options.ts';
export type { Recovery, Some } from '../recover/report.ts';

/** The signal ended it. What it published counts, and another recovery continues. */
export type Interrupted = { readonly outcome: 'interrupted'; readonly stage: RecoverStage | null };

/** @throws RequestInvalid if nothing is lost; RelayError as `recover` does */
export async function recoverByHand(options: RecoverOptions, actor: Actor): Promise<Recovery | Interrupted> {
  const { config, isDryRun, isForced, acceptsRewound, acceptsWritingOrder, skipsUnreadable, unjudged } =
    options;
  const details = { isForced, acceptsRewound, acceptsWritingOrder, skipsUnreadable, unjudged };
  const action = { slot: config.slot.name, what: 'recover', target: null, details } as const;
  let stage: RecoverStage | null = null;
  const onStage = (next: RecoverStage) => {
    stage = next;
    options.onStage(next);
  };
  try {
    if (isDryRun) return await recover({ ...options, onStage });
    await withPool(config, (pool) => recordAction(pool, action, actor));
    return await announced({ ...options, onStage }, actor, () => stage);
  } catch (error) {
    // A reason to stop counts for more than that somebody did not want to wait for it.
    const { aborted, reason } = options.signal ?? {};
    if (aborted !== true || (error !== reason && asRelayError(error).class === 'stop')) throw error;
    return { outcome: 'interrupted', stage };
  }
}

async function announced(
  options: RecoverOptions,
  { person }: Actor,
  stageNow: () => RecoverStage | null,
): Promise<Recovery> {
  const { config } = options;
  const instance = instanceName('recover');
  const ready = () => {
    const stage = stageNow();
    const how = stage === null ? 'looking at what is lost' : describeRecoveryStage(stage);
    return { ready: false, reason: `${person} recovers by hand: ${how}` };
  };
  // Nobody depends on the announcement, and the recovery itself says what keeps it from Postgres.
  const announcer = new Announcer({ config, instance, health: { ready }, onFailure: () => {} });
  announcer.beginRecovery();
  announcer.start('');
  try {
    const onControl: RecoverOptions['onControl'] = (control) => announcer.obey(control);
    const recovery = await recover({ ...options, instance, onControl });
    if (recovery.outcome === 'recovered') await forgetWhyRelaysStopped(config, instance);
    return recovery;
  } finally {
    await announcer.end();
  }
}
