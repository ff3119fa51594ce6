/**
 * The way to a session: one hold of the slot, one producer, one claim, one comparison. `run`, `adopt` and `recover` go the
 * same way, and nothing is published that did not go all of it.
 *
 *   standby ──▶ fencing ──▶ claiming ──▶ lineage ──▶ held
 *
 * Promise: a process that is `held` has the slot, has fenced every predecessor, has read the progress after that, and has
 * compared it with the database. Each step carries what the steps before it have brought, so a step that is left out does
 * not compile. What a step does at the servers is given as `SessionWork`, so tests feed results and need no servers.
 */
import type { Capture } from '../capture/capture.ts';
import type { Inbox } from '../capture/inbox.ts';
import { asRelayError, type RelayError } from '../errors.ts';
import { failpoint } from '../observe/failpoints.ts';
import type { Publisher } from '../publish/publisher.ts';
import { type Claimed, compareLineage, type DatabaseState, type Lineage } from './lineage.ts';

/** The slot as it was taken: the stream runs. Who takes it may carry along more. */
export type TakenSlot = {
  readonly capture: Pick<Capture, 'close'> & { readonly inbox: Pick<Inbox, 'failure'> };
};

/** Where a session is, with what exists there. `standby` to `lineage` are states of the process too. */
export type SessionStep<Slot extends TakenSlot> =
  | { readonly step: 'standby' }
  | { readonly step: 'fencing'; readonly slot: Slot }
  | { readonly step: 'claiming'; readonly slot: Slot; readonly publisher: Publisher }
  | {
      readonly step: 'lineage';
      readonly slot: Slot;
      readonly publisher: Publisher;
      readonly claimed: Claimed;
    }
  | ({ readonly step: 'held' } & Held<Slot>)
  /** A request to end came while waiting for the slot. */
  | { readonly step: 'ended' };

/** On the way. */
export type Opening<Slot extends TakenSlot> = Exclude<SessionStep<Slot>, { readonly step: 'held' | 'ended' }>;

/** At its end. */
export type Held<Slot extends TakenSlot> = {
  readonly slot: Slot;
  readonly publisher: Publisher;
  readonly database: DatabaseState;
  readonly lineage: Lineage;
};

/** What each step does at the servers. */
export type SessionWork<Slot extends TakenSlot> = {
  /** Hears of each step before its work begins. */
  readonly onStep?: (at: Opening<Slot>) => void;
  /** undefined: asked to end while waiting. */
  readonly takeSlot: () => Promise<Slot | undefined>;
  readonly fence: (slot: Slot) => Promise<Publisher>;
  readonly claim: (publisher: Publisher) => Promise<Claimed>;
  /** Only now: before the fence a predecessor may still publish and move the slot. */
  readonly readDatabase: (slot: Slot) => Promise<DatabaseState>;
};

/**
 * Takes every step, then calls `use`. Releases the slot and closes the producer however that ends.
 * @returns undefined if the work ended while waiting for the slot
 * @throws RelayError what a step or `use` throws
 */
export async function holdSession<Slot extends TakenSlot, Result>(
  work: SessionWork<Slot>,
  use: (held: Held<Slot>) => Promise<Result>,
): Promise<Result | undefined> {
  let at: SessionStep<Slot> = { step: 'standby' };
  try {
    while (at.step !== 'held') {
      if (at.step === 'ended') return undefined;
      work.onStep?.(at);
      at = await after(at, work);
    }
    return await use(at);
  } finally {
    if ('slot' in at) await Promise.all(['publisher' in at && at.publisher.close(), at.slot.capture.close()]);
  }
}

/** The table: the work of each step, and the step after it. */
async function after<Slot extends TakenSlot>(
  at: Opening<Slot>,
  work: SessionWork<Slot>,
): Promise<SessionStep<Slot>> {
  switch (at.step) {
    case 'standby': {
      const slot = await work.takeSlot();
      if (slot === undefined) return { step: 'ended' };
      await failpoint('SLOT_TAKEN');
      return { step: 'fencing', slot };
    }
    case 'fencing': {
      const publisher = await blameStream(at.slot, work.fence(at.slot));
      await failpoint('PRODUCER_FENCED');
      return { ...at, step: 'claiming', publisher };
    }
    case 'claiming': {
      const claimed = await blameStream(at.slot, work.claim(at.publisher));
      await failpoint('CLAIM_READ');
      return { ...at, step: 'lineage', claimed };
    }
    case 'lineage': {
      const database = await blameStream(at.slot, work.readDatabase(at.slot));
      const { slot, publisher, claimed } = at;
      return { step: 'held', slot, publisher, database, lineage: compareLineage(claimed, database) };
    }
  }
}

/**
 * A stream that fails lets go of the slot, and a later step then finds that another relay has it, or had it. That is only
 * the consequence; a person must learn why the stream failed.
 */
export async function blameStream<Result>({ capture }: TakenSlot, work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    throw causeOf(asRelayError(error), capture.inbox.failure);
  }
}

function causeOf(failure: RelayError, ofStream: RelayError | undefined): RelayError {
  const isConsequence = failure.code === 'SLOT_IN_USE' || failure.code === 'PRODUCER_FENCED';
  return ofStream !== undefined && isConsequence ? ofStream : failure;
}
