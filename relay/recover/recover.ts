/**
 * Publishes what a lost slot, or a slot that skipped events, left out, so that a relay can go on. The steps, and what a
 * death after each leaves behind:
 *
 * 1. Look at what is wrong. Nothing changes.
 * 2. Create a slot, which gives a position and the snapshot of the database exactly there. If the old slot is lost, the
 *    new one replaces it. The progress in Kafka still ends before it, so every relay refuses to start
 *    (LINEAGE_SLOT_AHEAD) until a recovery has ended. From here on it holds WAL: by now Kafka has answered, and a
 *    recovery that fails or refuses before its end drops it again. If the old slot can be used, it stays: only its WAL
 *    has the order of the commits, and a recovery that refuses must leave it. The slot created beside it is temporary,
 *    and step 3 comes first.
 * 3. Hold the slot and fence every predecessor, as a relay does. From here on nobody else publishes.
 * 4. Read Kafka and compare it with the snapshot. If a person must decide something first, stop here: an old slot is
 *    untouched.
 * 5. Take back dead letters and releases that are not committed. Publish what is missing, under a progress that does not
 *    end the recovery. Until it has ended no relay starts: a new slot is ahead of the progress, and for an old one the
 *    progress itself says so (RECOVERY_UNFINISHED). The next attempt finds in Kafka what a dead one published.
 * 6. Commit the progress that ends at the position. An old slot brings earlier transactions again, and the relay skips
 *    them as published. Then write the mark and the copies in Postgres.
 */
import type pg from 'pg';
import {
  dropMadeSlot,
  renewSlotWithSnapshot,
  type SlotWithSnapshot,
  temporarySlotWithSnapshot,
} from '../capture/slot.ts';
import type { Config } from '../config/config.ts';
import { rateLimitsOf } from '../config/rate-limits.ts';
import { openClient } from '../connect/postgres/client.ts';
import { query, statement } from '../connect/postgres/statement.ts';
import { beginReadOnly } from '../connect/postgres/transaction.ts';
import { type Servers, withServers } from '../connect/servers.ts';
import { deadLetterTopicOf } from '../encode/dead-letter-topic.ts';
import { Encoder } from '../encode/encoder.ts';
import { RegistryClient } from '../encode/registry/registry-client.ts';
import { ControlledGate } from '../ledger/controlled-gate.ts';
import { decideAgain } from '../ledger/decide-again.ts';
import { takeOver } from '../ledger/end-parking.ts';
import { readMarks, storeProgress } from '../ledger/progress-copy.ts';
import { beginDecisions, inSession, type Session } from '../ledger/session.ts';
import { beginSnapshots, forgetCovered, storeCovered } from '../ledger/snapshots.ts';
import { formatLsn, type Lsn } from '../model/position.ts';
import type { Progress } from '../model/progress.ts';
import { failpoint } from '../observe/failpoints.ts';
import type { Publisher } from '../publish/publisher.ts';
import { Topics } from '../publish/topics.ts';
import { progressAt } from '../session/database-state.ts';
import { type HeldSlot, whileHoldingSlot } from '../session/hold-for-operator.ts';
import { instanceName } from '../session/instance.ts';
import { progressOf } from '../session/lineage.ts';
import { closeGap } from './close-gap.ts';
import { assertOutboxShown, type Compared, compare } from './compare.ts';
import { type Decided, readDecided } from './letters.ts';
import { assertRecoverable, isRecoverable, type Loss, lookForLoss } from './loss.ts';
import type { RecoverOptions, RecoverStage } from './options.ts';
import { doubtsOf, type Recovery, reportOf } from './report.ts';
import { StageClock } from './stage-clock.ts';

/** For the acknowledgement to arrive; without it the next relay only reads some WAL again. */
const flushTimeoutMs = 1_000;

/** For scans of the whole table; `database.statementTimeoutMs` is meant for bookkeeping. */
const scanTimeoutMs = 3_600_000;

/**
 * Can be repeated after any failure, and after a death at any instant.
 * @throws RequestInvalid if nothing is lost; RelayError SLOT_IN_USE while a relay runs; LINEAGE_OTHER_DATABASE; and
 * whatever a server answers
 */
export function recover(options: RecoverOptions): Promise<Recovery> {
  return withServers(options, async (servers) => {
    // Step 1.
    const loss = await lookForLoss(servers);
    assertRecoverable(loss, options);
    const run = new Run(reporting(options), servers, loss);
    return options.isDryRun ? await run.show() : await run.recover();
  });
}

/** With the time left in each stage. A stage is where an abort is noticed too, where no client of a server is between. */
function reporting(options: RecoverOptions): RecoverOptions {
  const clock = new StageClock();
  const onStage = (stage: RecoverStage) => {
    if (stage.stage !== 'topics') options.signal?.throwIfAborted();
    options.onStage(clock.timed(stage));
  };
  return { ...options, onStage };
}

class Run {
  readonly #options: RecoverOptions;
  readonly #means: Servers;
  readonly #loss: Loss;
  readonly #instance: string;
  /** Where the new slot starts, once it exists and while nothing in Kafka ends at it. */
  #madeLsn: Lsn | undefined;
  /** Number of the last session on the slot, as far as this process knows. */
  #lastSession: number;

  constructor(options: RecoverOptions, means: Servers, loss: Loss) {
    this.#options = options;
    this.#instance = options.instance ?? instanceName('recover');
    this.#means = means;
    this.#loss = loss;
    this.#lastSession = loss.lastSession;
  }

  /** Compares as of now, and writes nothing. */
  async show(): Promise<Recovery> {
    return this.#withClient(async (client) => {
      await beginReadOnly(client, 'opening a snapshot', 'repeatable read');
      const compared = await this.#compare(client, await this.#decided(this.#loss.progress));
      return this.#report(compared, { outcome: 'dry-run' });
    });
  }

  recover(): Promise<Recovery> {
    return this.#withClient((client) =>
      this.#loss.slot === undefined ? this.#renew(client) : this.#keep(client),
    );
  }

  /** Replaces a slot that is lost: step 2, then 3 to 6. */
  async #renew(client: pg.Client): Promise<Recovery> {
    try {
      const slotLsn = await this.#takeSnapshot(client, renewSlotWithSnapshot, (lsn) => {
        this.#madeLsn = lsn;
      });
      const recovery = await whileHoldingSlot(this.#means, (held) => this.#close(client, held, slotLsn));
      await this.#dropUnused();
      return recovery;
    } catch (error) {
      // The failure counts, not what keeps the slot from being dropped: the next recovery takes up a slot that is left.
      await this.#dropUnused().catch(() => {});
      throw error;
    }
  }

  /** A new slot that nothing ends at would only hold WAL, until a person or the next attempt comes. */
  async #dropUnused(): Promise<void> {
    if (this.#madeLsn === undefined) return;
    const { pool, config } = this.#means;
    const isStillOurs = async () => (await readMarks(pool, config.slot.name)).session === this.#lastSession;
    await dropMadeSlot(pool, config.slot.name, this.#madeLsn, isStillOurs);
  }

  /** Beside a slot that can be used: step 3 first, so that the snapshot is taken when nobody else publishes any more. */
  #keep(client: pg.Client): Promise<Recovery> {
    const close = async (held: HeldSlot) => {
      const recovery = await this.#close(
        client,
        held,
        await this.#takeSnapshot(client, temporarySlotWithSnapshot),
      );
      // So that the next relay need not read the WAL before it again.
      if (recovery.after !== null) {
        held.slot.capture.acknowledge(recovery.after.endLsn);
        await held.slot.capture.flush(flushTimeoutMs);
      }
      return recovery;
    };
    return whileHoldingSlot(this.#means, close, this.#loss.walLsn);
  }

  /** On a connection for the snapshot. An abort ends that: a statement on it, such as a sort, may take long. */
  async #withClient<Result>(work: (client: pg.Client) => Promise<Result>): Promise<Result> {
    const { config, signal } = this.#options;
    const client = await openClient(config, 'outbox-relay recover', scanTimeoutMs);
    const end = () => client.end().catch(() => {});
    signal?.addEventListener('abort', end, { once: true });
    try {
      signal?.throwIfAborted();
      return await work(client);
    } finally {
      signal?.removeEventListener('abort', end);
      await end();
    }
  }

  /** Step 2. Opens the snapshot on `client`. @returns its position */
  async #takeSnapshot(
    client: pg.Client,
    makeSlot: (config: Config) => Promise<SlotWithSnapshot>,
    onMade?: (lsn: Lsn) => void,
  ): Promise<Lsn> {
    this.#options.onStage({ stage: 'slot', done: 0 });
    await using slot = await makeSlot(this.#options.config);
    onMade?.(slot.consistentLsn);
    await beginReadOnly(client, 'opening a snapshot', 'repeatable read');
    const doing = 'taking up the snapshot of the slot';
    await query(
      client,
      statement('recover.take_up_snapshot', doing, `set transaction snapshot '${slot.snapshot}'`),
    );
    await failpoint('SLOT_CREATED');
    return slot.consistentLsn;
  }

  /** Steps 4 to 6, with the slot held and every predecessor fenced. */
  async #close(client: pg.Client, held: HeldSlot, slotLsn: Lsn): Promise<Recovery> {
    const { config } = this.#options;
    const { pool } = this.#means;
    const { lineage, database } = held;
    if ('refusal' in lineage && !isRecoverable(lineage.refusal, this.#options)) throw lineage.refusal;
    const claimed = progressOf(lineage);
    const session = await beginDecisions(pool, config.slot.name, database.systemIdentifier, 'epoch');
    this.#lastSession = session.number;
    if (claimed !== null) await endAdoption(pool, session, claimed);
    const decided = await this.#decided(claimed);
    const compared = await this.#compare(client, decided);
    const facts = { slotLsn: formatLsn(slotLsn), before: claimed };
    if (doubtsOf(compared, this.#options).length > 0)
      return this.#report(compared, { ...facts, outcome: 'refused' });
    // Step 5.
    const { undecided, unread } = compared.gap;
    const parked = await decideAgain(pool, session, decided, undecided, unread);
    await failpoint('DEAD_LETTERS_REREAD');
    const fresh = {
      ...progressAt(config.slot.name, database, this.#instance, claimed?.eventCount),
      endLsn: slotLsn,
    };
    const progress = { ...this.#begin(claimed, fresh), last: undefined, instance: this.#instance };
    const closed = await closeGap(
      {
        ...this.#encoding(),
        client,
        pool,
        publisher: held.publisher,
        session,
        parked,
        progress,
        consistentLsn: slotLsn,
        controlled: await ControlledGate.open({
          pool,
          slot: config.slot.name,
          settings: rateLimitsOf(config),
          heedsLimits: true,
          ...(this.#options.onControl !== undefined && { onControl: this.#options.onControl }),
        }),
      },
      compared.missing,
    );
    await assertOutboxShown(pool, config);
    const after = { ...fresh, eventCount: fresh.eventCount + closed.published };
    await this.#end(held.publisher, after, compared);
    return this.#report(compared, { ...facts, ...closed, after, outcome: 'recovered' });
  }

  #encoding() {
    const { config, onStage } = this.#options;
    const { kafka, admin } = this.#means;
    const topics = new Topics(kafka, admin, config);
    return {
      config,
      encoder: new Encoder(config, new RegistryClient(config.registry), topics),
      deadLetterTopic: deadLetterTopicOf(config, topics),
      onDone: (done: number, total: number) => onStage({ stage: 'publishing', done, total }),
    };
  }

  /** Step 6. Everything that is missing is published: from here on a relay may start. */
  async #end(publisher: Publisher, after: Progress, { gap, unjudged }: Compared): Promise<void> {
    const { pool } = this.#means;
    // Events that are skipped must not count as published later.
    if (this.#options.unjudged === 'skip' && unjudged.count > 0) await forgetCovered(pool, after);
    // Whatever comes of the commit: a progress may end at the new slot.
    this.#madeLsn = undefined;
    await publisher.commit(publisher.newBatch(), after);
    await failpoint('FIRST_PROGRESS_COMMITTED');
    await storeProgress(pool, after, this.#loss.publication);
    await beginSnapshots(pool, after, undefined);
    const { snapshot, atMs } = gap;
    await storeCovered(pool, after, { snapshot, takenMs: atMs, beat: after.beat });
  }

  #report(compared: Compared, done: Pick<Recovery, 'outcome'> & Partial<Recovery>): Recovery {
    return reportOf(compared, this.#loss, this.#options, done);
  }

  #compare(client: pg.Client, decided: Decided): Promise<Compared> {
    return compare(client, decided, this.#options, this.#means, this.#loss);
  }

  /**
   * The end of the stream that the progress names until the gap is closed, so that no relay starts before. If there is no
   * progress, or its end means nothing because the database was rewound, it is 0: every slot of a relay is ahead of that.
   */
  #begin(claimed: Progress | null, fresh: Progress): Progress {
    return claimed === null || this.#options.acceptsRewound ? { ...fresh, endLsn: 0n } : claimed;
  }

  /** In a database that was rewound, the positions of the progress mean nothing. */
  #decided(progress: Progress | null): Promise<Decided> {
    const isOfStream = progress !== null && progress.endLsn > 0n;
    const { config, acceptsRewound } = this.#options;
    return readDecided(this.#means.pool, config.slot.name, isOfStream && acceptsRewound ? null : progress);
  }
}

/** Finishes an adoption that died before it stored what it had committed. */
function endAdoption(pool: pg.Pool, session: Session, claimed: Progress): Promise<void> {
  return inSession(pool, session, 'storing what was adopted', (client) => takeOver(client, claimed, null));
}
