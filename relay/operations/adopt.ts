/**
 * Accepts on a person's word what a relay refuses: that progress and database no longer belong together. It writes a new
 * progress, under the same slot, fence and claim as a relay's own, so that no relay can run at the same time.
 */
import type pg from 'pg';
import type { Logger } from 'pino';
import { findPublicationGap, readPublication } from '../capture/publication.ts';
import { createSlot, dropSlot, readSlot } from '../capture/slot.ts';
import type { Config } from '../config/config.ts';
import { createKafka } from '../connect/kafka.ts';
import { createPool } from '../connect/postgres/pool.ts';
import { type Adoption, asRelayError, type ErrorCode, RelayError, RequestInvalid } from '../errors.ts';
import { giveUp, reopenUnread } from '../ledger/adopt-dead-letters.ts';
import { storeAdopted } from '../ledger/end-parking.ts';
import { beginDecisions, type Session } from '../ledger/session.ts';
import { forgetCovered } from '../ledger/snapshots.ts';
import type { Progress } from '../model/progress.ts';
import { failpoint } from '../observe/failpoints.ts';
import { readDecided } from '../recover/letters.ts';
import { progressAt } from '../session/database-state.ts';
import { type HeldSlot, type Means, whileHoldingSlot } from '../session/hold-for-operator.ts';
import { instanceName } from '../session/instance.ts';
import { type DatabaseState, type Lineage, progressOf } from '../session/lineage.ts';
import type { Actor } from './actor.ts';
import { forgetWhyRelaysStopped } from './relays.ts';
import { recordAction } from './trail.ts';

export type Adopted = {
  /** The refusal that was found, and is accepted. */
  readonly found: { readonly code: ErrorCode; readonly message: string };
  readonly before: Progress | null;
  /** null in a dry run if the slot must be created first. */
  readonly after: Progress | null;
  /** false for a dry run. */
  readonly isWritten: boolean;
};

/**
 * @param isDryRun finds out what it would write, and writes nothing but the claim
 * @throws RequestInvalid if there is nothing of that kind to adopt; RelayError SLOT_IN_USE while a relay runs
 */
export async function adopt(
  config: Config,
  log: Logger,
  what: Adoption,
  isDryRun: boolean,
  actor: Actor,
): Promise<Adopted> {
  const pool = createPool(config);
  const means = { config, pool, kafka: createKafka(config, log) };
  try {
    const action = { slot: config.slot.name, what: 'adopt', target: what, details: {} } as const;
    const publication = await readPublication(pool, config);
    if (!isDryRun && what !== 'new-slot') await recordAction(pool, action, actor);
    const slotRefusal = what === 'new-slot' ? await findSlotRefusal(means) : undefined;
    if (slotRefusal !== undefined) {
      if (isDryRun) return { found: slotRefusal, before: null, after: null, isWritten: false };
      await recordAction(pool, action, actor);
      await renewSlot(means);
    }
    const adopted = await whileHoldingSlot(means, (held) =>
      decide(means, { ...held, publication }, what, slotRefusal, isDryRun),
    );
    if (adopted.isWritten) await forgetWhyRelaysStopped(config, 'adopt');
    return adopted;
  } finally {
    await pool.end();
  }
}

async function findSlotRefusal({ config, pool }: Means): Promise<RelayError> {
  try {
    const slot = await readSlot(pool, config.slot.name);
    if (slot === undefined) return new RelayError('SLOT_MISSING', `slot ${config.slot.name} does not exist`);
  } catch (error) {
    const failure = asRelayError(error);
    if (failure.code === 'SLOT_INVALIDATED') return failure;
    throw failure;
  }
  throw nothingToAdopt('new-slot', `slot ${config.slot.name} exists and is usable`);
}

async function renewSlot({ config, pool }: Means): Promise<void> {
  await dropSlot(pool, config.slot.name);
  await createSlot(config);
}

async function decide(
  { config, pool }: Means,
  { publisher, lineage, database, publication }: HeldSlot & { readonly publication: string },
  what: Adoption,
  slotRefusal: RelayError | undefined,
  isDryRun: boolean,
): Promise<Adopted> {
  const before = progressOf(lineage);
  const found = slotRefusal ?? findRefusal(what, lineage, database, publication);
  const instance = instanceName('adopt');
  const givenUp =
    what === 'database' && before !== null
      ? { id: instance, systemIdentifier: before.systemIdentifier, endLsn: before.endLsn }
      : undefined;
  const fresh = { ...progressAt(config.slot.name, database, instance, before?.eventCount), givenUp };
  // A gap changes no position. But the stream may bring other transactions again than it did, so `last` is left out.
  const after =
    what === 'gap' && before !== null
      ? { ...before, last: undefined, beat: database.beat, instance, time: fresh.time }
      : fresh;
  if (!isDryRun) {
    // A relay that was paused before would otherwise go on to store decisions, or begin, by the progress this replaces.
    const session = await beginDecisions(pool, config.slot.name, database.systemIdentifier, 'now');
    await takeBack(pool, session, what, before);
    // Whatever is adopted, events before it may be given up.
    await forgetCovered(pool, after);
    await publisher.commit(publisher.newBatch(), after);
    await failpoint('FIRST_PROGRESS_COMMITTED');
    await storeAdopted(pool, after, publication);
  }
  return { found: { code: found.code, message: found.message }, before, after, isWritten: !isDryRun };
}

/**
 * Takes back what earlier sessions decided beyond the progress. Without a progress in Kafka, its copy counts, which lags:
 * some of what it does not cover may be published. That is shown to a person and not lost.
 */
async function takeBack(
  pool: pg.Pool,
  session: Session,
  what: Adoption,
  before: Progress | null,
): Promise<void> {
  // The stream goes on where it was, and the next session takes these back.
  if (what === 'gap') return;
  const { letters } = await readDecided(pool, session.slot, before);
  await (what === 'database' ? reopenUnread : giveUp)(pool, session, letters);
}

/** @throws RequestInvalid when something else is found than what is to be adopted */
function findRefusal(
  what: Adoption,
  lineage: Lineage,
  database: DatabaseState,
  publication: string,
): RelayError {
  const refusal =
    'refusal' in lineage ? lineage.refusal : findPublicationGap(database.publication, publication);
  if (refusal?.entry.adopt === what) return refusal;
  if (refusal !== undefined) throw nothingToAdopt(what, `found ${refusal.code} instead: ${refusal.message}`);
  // Missing heartbeats show only on the stream, so a gap needs no proof here.
  if (what === 'gap')
    return new RelayError(
      'PUBLICATION_GAP',
      `heartbeats up to ${database.beat} may be missing from the stream`,
    );
  throw nothingToAdopt(what, 'progress and database belong together');
}

function nothingToAdopt(what: Adoption, why: string): RequestInvalid {
  return new RequestInvalid(`nothing to adopt as ${what}: ${why}`);
}
