/** Publishes events again, and shows which replays there were; the steps are in the room of the same name. */
import type { Config } from '../config/config.ts';
import { assertRowsShown } from '../connect/postgres/rows-shown.ts';
import { RequestInvalid } from '../errors.ts';
import {
  type ReplayAction,
  type ReplayRefusal,
  readActions,
  readRefusals,
  readReplays,
  type StoredReplay,
} from '../ledger/replays.ts';
import { withPool } from './with-pool.ts';

export type { ReplayAction, ReplayRefusal, StoredReplay } from '../ledger/replays.ts';
export type { Group, Plan } from '../replay/plan.ts';
export { type Absent, isUnbounded, type Range, rangeOf } from '../replay/range.ts';
export { absentOf, type ReplayOptions, type ReplayResult, replay, resume } from '../replay/replay.ts';
export type { ReplayStage } from '../replay/session.ts';

/** Those of the slot, latest first. @throws RelayError POSTGRES_* */
export function listReplays(config: Config): Promise<StoredReplay[]> {
  return withPool(config, async (pool) => {
    const replays = await readReplays(pool, config.slot.name);
    await assertRowsShown(pool, config, ['outbox.replay']);
    return replays;
  });
}

export type ShownReplay = StoredReplay & {
  readonly actions: readonly ReplayAction[];
  /** The first of the events that it could not publish. */
  readonly refusals: readonly ReplayRefusal[];
};

/** @throws RequestInvalid if the slot has no such replay */
export function showReplay(config: Config, id: string, refusalsMax: number): Promise<ShownReplay> {
  return withPool(config, async (pool) => {
    const [found] = await readReplays(pool, config.slot.name, id);
    if (found === undefined) throw new RequestInvalid(`slot ${config.slot.name} has no replay ${id}`);
    const actions = await readActions(pool, found.slot, id);
    const refusals = await readRefusals(pool, id, refusalsMax);
    await assertRowsShown(pool, config, ['outbox.replay', 'outbox.action', 'outbox.replay_refusal']);
    return { ...found, actions, refusals };
  });
}
