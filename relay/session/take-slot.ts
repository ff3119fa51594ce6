/**
 * Taking the slot as a relay does: wait until nobody has it, make it at the first start, and begin to stream. Postgres
 * elects the active relay, since a slot has one reader.
 *
 * How soon a standby takes the slot: within standbyPollMs if the process of the active relay ends, because its connection
 * closes; within walSenderTimeoutMs + standbyPollMs if its machine is gone, because the server then ends the connection.
 */
import type pg from 'pg';
import { Capture } from '../capture/capture.ts';
import { observeSlot } from '../capture/observe-slot.ts';
import { assertStreamable, examineOutbox } from '../capture/outbox-table.ts';
import { assertSamePublication, readPublication } from '../capture/publication.ts';
import type { Config } from '../config/config.ts';
import { pause } from '../connect/backoff.ts';
import { RelayError } from '../errors.ts';
import { readMarks } from '../ledger/progress-copy.ts';
import { takeSnapshot } from '../ledger/snapshots.ts';
import type { Lsn } from '../model/position.ts';
import { failpoint } from '../observe/failpoints.ts';
import type { RelayObserver } from '../observe/observer.ts';
import type { Watched } from '../observe/slow-step.ts';
import type { ProgressTail } from '../publish/progress-topic.ts';
import type { Connections } from './connections.ts';
import type { BeforeTaking } from './database-state.ts';

/** The slot, with what was read before it was taken or made. */
export type RelaySlot = BeforeTaking & {
  readonly capture: Capture;
  /** Identity of the publication. */
  readonly publication: string;
  /** The slot that this process made last, and a snapshot from before. */
  readonly made: { readonly lsn: Lsn; readonly snapshot: string } | undefined;
};

export type SlotTakerOptions = {
  readonly config: Config;
  readonly pool: pg.Pool;
  readonly observer: RelayObserver;
  readonly connections: Connections;
  readonly watched: Watched;
  /** Another relay has the slot; its walsender is not always known. */
  readonly onPeer: (activePid: number | null) => void;
};

export class SlotTaker {
  readonly #use: SlotTakerOptions;
  #made: RelaySlot['made'];

  constructor(options: SlotTakerOptions) {
    this.#use = options;
  }

  /** @returns undefined if asked to end while waiting */
  async take(tail: ProgressTail, signal: AbortSignal): Promise<RelaySlot | undefined> {
    const { config, watched } = this.#use;
    while (!signal.aborted) {
      if (tail.crashed !== undefined) throw tail.crashed;
      const slot = await watched('asking for the replication slot', this.#try());
      if (slot !== undefined) return slot;
      await pause(config.capture.standbyPollMs, signal);
    }
    return undefined;
  }

  /** @returns undefined if another relay has the slot */
  async #try(): Promise<RelaySlot | undefined> {
    const { config, pool, observer, connections, onPeer } = this.#use;
    const marks = await readMarks(pool, config.slot.name);
    if (marks.isInRecovery)
      throw new RelayError('POSTGRES_UNAVAILABLE', 'the server is a standby that is not promoted yet');
    const found = await observeSlot(pool, config.slot.name, observer);
    if (found?.isActive === true) return void onPeer(found.activePid);
    const publication = await readPublication(pool, config);
    assertSamePublication(marks.publication, publication);
    await this.#examineTable(found === undefined && !marks.initialised);
    if (found === undefined) await this.#create(marks.initialised);
    const confirmedLsn = found === undefined ? this.#made?.lsn : found.confirmedLsn;
    try {
      const capture = await Capture.open(config, connections.replication);
      return { capture, publication, lastSession: marks.session, confirmedLsn, made: this.#made };
    } catch (error) {
      // Another relay was quicker: no failure.
      if (error instanceof RelayError && error.code === 'SLOT_IN_USE') return void onPeer(null);
      throw error;
    }
  }

  /** @throws RelayError OUTBOX_TABLE_INVALID, PUBLICATION_INCOMPLETE if events would be missing on the stream */
  async #examineTable(isFirstStart: boolean): Promise<void> {
    const { config, pool, observer } = this.#use;
    const findings = await examineOutbox(pool, config);
    assertStreamable(findings, isFirstStart);
    for (const { message, fix } of findings) observer.tableDoubted?.({ message, fix });
  }

  async #create(isInitialised: boolean): Promise<void> {
    const { config, pool, observer, connections } = this.#use;
    if (isInitialised)
      throw new RelayError(
        'SLOT_MISSING',
        `slot ${config.slot.name} was used before and does not exist any more`,
      );
    observer.slotCreating?.({});
    const snapshot = await takeSnapshot(pool);
    const lsn = await connections.createSlot(config, {
      pool,
      onWaiting: (transactions) => observer.slotWaited?.({ transactions }),
    });
    this.#made = lsn === undefined ? undefined : { lsn, snapshot };
    await failpoint('SLOT_CREATED');
  }
}
