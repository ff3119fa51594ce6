/**
 * Takes over an outbox from a stopped connector of Debezium: publishes what the connector left unpublished, and leaves a
 * slot of our own from which a relay goes on.
 *
 * What the connector may not have published is in its slot: everything that was committed after the position that the slot
 * has confirmed, rows that were deleted at once included. This is the tail. Part of it may be in Kafka, since a connector
 * confirms after it has published: the header `id` says which. The steps, and what a death after each leaves behind:
 *
 * 1. Look. Nothing changes.
 * 2. Hold the slot of the connector, so that the connector cannot stream from it, and fence our transactional id.
 *    Nothing is written but a claim.
 * 3. Commit a progress that names the slot of the connector (`adopting`). From here on every relay refuses to start
 *    (ADOPTION_UNFINISHED), and so do the other ways to repair, until a take-over has ended.
 * 4. Create our slot. Postgres waits until every running transaction has ended, so what commits before the position of the
 *    slot is whole in the tail, and what commits after it is whole on our stream. A slot that an earlier run left is
 *    dropped first: nothing was published from it.
 * 5. Compare the tail with the topics. If a person must decide something first, stop here, and drop our slot.
 * 6. Read the tail again, from a copy of the slot, and publish what is missing, in the order of the commits and at their
 *    own positions. The next attempt finds in Kafka what a dead one published.
 * 7. Commit the progress that ends at our slot and no longer names the connector's. Then write the mark.
 *
 * Nothing is ever acknowledged on the slot of the connector. It stays where it is until somebody drops it, so every step
 * can be repeated.
 */
import type pg from 'pg';
import { Capture } from '../../capture/capture.ts';
import { copySlot, dropLeftSlot, dropMadeSlot, readSlot, renewSlotWithSnapshot } from '../../capture/slot.ts';
import { rateLimitsOf } from '../../config/rate-limits.ts';
import { openClient } from '../../connect/postgres/client.ts';
import { query, statement } from '../../connect/postgres/statement.ts';
import { beginReadOnly } from '../../connect/postgres/transaction.ts';
import { type Servers, withServers } from '../../connect/servers.ts';
import { deadLetterTopicOf } from '../../encode/dead-letter-topic.ts';
import { Encoder } from '../../encode/encoder.ts';
import { RegistryClient } from '../../encode/registry/registry-client.ts';
import { asRelayError, RelayError } from '../../errors.ts';
import { ControlledGate } from '../../ledger/controlled-gate.ts';
import { readMarks, storeProgress } from '../../ledger/progress-copy.ts';
import { beginDecisions, inSession, type Session } from '../../ledger/session.ts';
import { beginSnapshots, takeSnapshot } from '../../ledger/snapshots.ts';
import { rereadDeadLetters, takeBackParking, takeBackReleases } from '../../ledger/take-back.ts';
import { type Lsn, parseLsn } from '../../model/position.ts';
import type { Progress } from '../../model/progress.ts';
import { failpoint } from '../../observe/failpoints.ts';
import type { Publisher } from '../../publish/publisher.ts';
import { Topics } from '../../publish/topics.ts';
import { StageClock } from '../../recover/stage-clock.ts';
import { progressAt } from '../../session/database-state.ts';
import { type HeldSlot, whileHoldingForeignSlot } from '../../session/hold-for-operator.ts';
import { instanceName } from '../../session/instance.ts';
import { progressOf } from '../../session/lineage.ts';
import type { Actor } from '../actor.ts';
import { recordAction } from '../trail.ts';
import { type Comparison, compareTail } from './compare-tail.ts';
import { connectorConfig, holdConnector } from './connector.ts';
import { assertNotBegun, type Before, copyNameOf, look } from './look.ts';
import type { TakeOverOptions, TakeOverStage } from './options.ts';
import { TailPublisher } from './publish-tail.ts';
import { doubtsOf, reportOf, type TakeOver } from './report.ts';
import { readTail } from './tail.ts';

export type { TakeOverOptions, TakeOverStage } from './options.ts';
export type { TakeOver } from './report.ts';

/** The signal ended it. What it published counts, and another take-over continues. */
export type TakeOverInterrupted = { readonly outcome: 'interrupted'; readonly stage: TakeOverStage | null };

/**
 * Can be repeated after any failure, and after a death at any instant.
 * @throws RequestInvalid if a relay has streamed from our slot; RelayError SLOT_IN_USE while the connector or a relay
 * runs; SLOT_MISSING, SLOT_WRONG_KIND, SLOT_INVALIDATED of the slot of the connector; and whatever a server answers
 */
export async function adoptDebezium(
  given: TakeOverOptions,
  actor: Actor,
): Promise<TakeOver | TakeOverInterrupted> {
  let stage: TakeOverStage | null = null;
  const clock = new StageClock();
  const onStage = (next: TakeOverStage) => {
    stage = clock.timed(next);
    given.onStage(stage);
  };
  const options = { ...given, onStage };
  try {
    return await withServers(options, async (servers) => {
      const before = await look(servers, options);
      return options.isDryRun
        ? await show(servers, options, before)
        : await new Run(servers, options, before).takeOver(actor);
    });
  } catch (error) {
    // A reason to stop counts for more than that somebody did not want to wait for it.
    const { aborted, reason } = options.signal ?? {};
    if (aborted !== true || (error !== reason && asRelayError(error).class === 'stop')) throw error;
    return { outcome: 'interrupted', stage };
  }
}

/** Compares as of now, and writes nothing. */
async function show(servers: Servers, options: TakeOverOptions, before: Before): Promise<TakeOver> {
  const capture = await holdConnector(servers.pool, options);
  try {
    const untilLsn = await walPosition(servers.pool);
    const compared = await compareTail(capture, untilLsn, servers, options, before.ownHeaders);
    const facts = { confirmedLsn: before.connector.confirmedLsn, untilLsn, isResumed: before.isResumed };
    return reportOf(compared, options, facts, doubtsOf(compared, options), { outcome: 'dry-run' });
  } finally {
    await capture.close();
  }
}

/** Every slot passes the position soon: something is committed after it. */
async function walPosition(pool: pg.Pool): Promise<Lsn> {
  const [row] = await query(pool, readInsertLsn);
  await query(pool, writeMessage);
  return parseLsn(row!.lsn);
}

const readInsertLsn = statement<{ lsn: string }>(
  'adopt.read_wal_position',
  'reading the position of the WAL',
  'select pg_current_wal_insert_lsn() as lsn',
);

const writeMessage = statement(
  'adopt.write_message',
  'writing a message into the WAL',
  `select pg_logical_emit_message(true, 'outbox-relay', 'adopt')`,
);

class Run {
  readonly #servers: Servers;
  readonly #options: TakeOverOptions;
  readonly #before: Before;
  /** Whatever comes of the commit: a progress may end at our slot. */
  #isEnding = false;

  constructor(servers: Servers, options: TakeOverOptions, before: Before) {
    this.#servers = servers;
    this.#options = options;
    this.#before = before;
  }

  async takeOver(actor: Actor): Promise<TakeOver> {
    const { pool, config } = this.#servers;
    const { slot, publication, unjudged, overtaken, acceptsOtherKeys, acceptsOtherHeaders, dropsSlot } =
      this.#options;
    const choices = { unjudged, overtaken, acceptsOtherKeys, acceptsOtherHeaders, dropsSlot };
    const details = { slot, publication, ...choices };
    await recordAction(pool, { slot: config.slot.name, what: 'adopt', target: 'debezium', details }, actor);
    // Step 2.
    const taken = await whileHoldingForeignSlot(
      this.#servers,
      () => holdConnector(pool, this.#options),
      (held) => this.#begin(held),
    );
    if (taken.outcome !== 'adopted' || !dropsSlot) return taken;
    await dropLeftSlot(pool, slot);
    return { ...taken, connector: { ...taken.connector, isDropped: true } };
  }

  /** Step 3, with the slot of the connector held and our transactional id fenced. */
  async #begin({ slot: { capture }, publisher, lineage, database }: HeldSlot): Promise<TakeOver> {
    const { pool, config } = this.#servers;
    const claimed = progressOf(lineage);
    if ('refusal' in lineage && lineage.kind !== 'adoption-unfinished') throw lineage.refusal;
    // Another process may have been quicker.
    assertNotBegun(config.slot.name, claimed, lineage.kind !== 'first-start');
    const confirmedLsn = await this.#confirmedLsn();
    const instance = instanceName('adopt');
    const first = progressAt(config.slot.name, { ...database, slotConfirmedLsn: confirmedLsn }, instance);
    const begun = { ...(claimed ?? first), instance, adopting: this.#options.slot };
    if (claimed === null) {
      await publisher.commit(publisher.newBatch(), begun);
      await failpoint('FIRST_PROGRESS_COMMITTED');
    }
    const session = await beginDecisions(pool, config.slot.name, database.systemIdentifier, 'now');
    return this.#withOwnSlot(session, (untilLsn, snapshot) =>
      this.#close({ capture, publisher, session, begun, confirmedLsn, untilLsn, snapshot }),
    );
  }

  /** Nobody moves it while we hold it. */
  async #confirmedLsn(): Promise<Lsn> {
    const slot = await readSlot(this.#servers.pool, this.#options.slot);
    if (slot === undefined)
      throw new RelayError('SLOT_MISSING', `slot ${this.#options.slot} was dropped while it was held`);
    return slot.confirmedLsn;
  }

  /** Step 4. Holds our slot while `use` works, and drops it again if that does not end the take-over. */
  async #withOwnSlot(
    session: Session,
    use: (untilLsn: Lsn, snapshot: string) => Promise<TakeOver>,
  ): Promise<TakeOver> {
    const { pool, config } = this.#servers;
    this.#options.onStage({ stage: 'slot', done: 0 });
    await dropLeftSlot(pool, config.slot.name);
    const made = await this.#make();
    await failpoint('SLOT_CREATED');
    let taken: TakeOver | undefined;
    try {
      const own = await Capture.open(config);
      try {
        taken = await use(made.untilLsn, made.snapshot);
        return taken;
      } finally {
        await own.close();
      }
    } finally {
      if (taken?.outcome !== 'adopted') await this.#dropUnused(session, made.untilLsn);
    }
  }

  async #make(): Promise<{ readonly untilLsn: Lsn; readonly snapshot: string }> {
    const { config } = this.#servers;
    await using slot = await renewSlotWithSnapshot(config);
    const client = await openClient(config, 'outbox-relay adopt', config.database.statementTimeoutMs);
    try {
      await beginReadOnly(client, 'opening a snapshot', 'repeatable read');
      await query(
        client,
        statement(
          'adopt.take_up_snapshot',
          'taking up the snapshot of the slot',
          `set transaction snapshot '${slot.snapshot}'`,
        ),
      );
      return { untilLsn: slot.consistentLsn, snapshot: await takeSnapshot(client) };
    } finally {
      await client.end().catch(() => {});
    }
  }

  /**
   * A slot from which nobody may stream would only hold WAL. The failure counts, not what keeps the slot from being
   * dropped: the next take-over drops one that is left.
   */
  async #dropUnused(session: Session, madeLsn: Lsn): Promise<void> {
    const { pool, config } = this.#servers;
    if (this.#isEnding) return;
    const isStillOurs = async () => (await readMarks(pool, config.slot.name)).session === session.number;
    await dropMadeSlot(pool, config.slot.name, madeLsn, isStillOurs).catch(() => {});
  }

  /** Steps 5 to 7. */
  async #close(held: Closing): Promise<TakeOver> {
    const { capture, untilLsn, confirmedLsn, begun, publisher, snapshot } = held;
    const { pool } = this.#servers;
    const { ownHeaders } = this.#before;
    const compared = await compareTail(capture, untilLsn, this.#servers, this.#options, ownHeaders);
    const facts = { confirmedLsn, untilLsn, isResumed: this.#before.isResumed };
    const doubts = doubtsOf(compared, this.#options);
    const report = (done: Pick<TakeOver, 'outcome'> & Partial<TakeOver>) =>
      reportOf(compared, this.#options, facts, doubts, done);
    if (doubts.length > 0) return report({ outcome: 'refused' });
    const { progress, published, deadLettered } = await this.#publish(held, compared);
    const { publication } = this.#before;
    const after: Progress = {
      ...progress,
      endLsn: untilLsn,
      partial: null,
      adopting: undefined,
      time: new Date().toISOString(),
    };
    await beginSnapshots(pool, begun, snapshot);
    this.#isEnding = true;
    await publisher.commit(publisher.newBatch(), after);
    await failpoint('FIRST_PROGRESS_COMMITTED');
    await storeProgress(pool, after, publication);
    await failpoint('SLOT_MARKED');
    return report({ outcome: 'adopted', published, deadLettered, after });
  }

  /** Step 6. */
  async #publish(
    { publisher, session, begun, untilLsn }: Closing,
    compared: Comparison,
  ): Promise<TailPublisher['done']> {
    const { pool, kafka, admin, config } = this.#servers;
    const { onStage, signal } = this.#options;
    const parked = await inSession(pool, session, 'taking back what is not committed', async (client) => {
      await rereadDeadLetters(client, begun);
      await takeBackReleases(client, begun);
      return takeBackParking(client, begun);
    });
    await failpoint('DEAD_LETTERS_REREAD');
    const topics = new Topics(kafka, admin, config);
    const total = compared.wanted + compared.withoutId;
    const tail = new TailPublisher({
      config,
      pool,
      publisher,
      encoder: new Encoder(config, new RegistryClient(config.registry), topics),
      deadLetterTopic: deadLetterTopicOf(config, topics),
      session,
      parked,
      progress: begun,
      controlled: await ControlledGate.open({
        pool,
        slot: config.slot.name,
        settings: rateLimitsOf(config),
        heedsLimits: true,
      }),
      isWanted: compared.isWanted,
      onDone: (done) => onStage({ stage: 'publishing', done, total }),
    });
    if (total === 0) return tail.done;
    onStage({ stage: 'publishing', done: 0, total });
    await this.#withCopy(async (copy) => {
      for await (const transaction of readTail(copy, untilLsn, signal))
        if (transaction.rows.length > 0) await tail.add(transaction);
      await tail.commit();
    });
    return tail.done;
  }

  /** The slot of the connector stays held, and its stream cannot be read twice. */
  async #withCopy(use: (copy: Capture) => Promise<void>): Promise<void> {
    const { pool, config } = this.#servers;
    const name = copyNameOf(config.slot.name);
    await dropLeftSlot(pool, name);
    await copySlot(pool, this.#options.slot, name);
    try {
      const copy = await Capture.open(connectorConfig({ ...this.#options, slot: name }));
      try {
        await use(copy);
      } finally {
        await copy.close();
      }
    } finally {
      await dropLeftSlot(pool, name).catch(() => {});
    }
  }
}

type Closing = {
  readonly capture: Capture;
  readonly publisher: Publisher;
  readonly session: Session;
  readonly begun: Progress;
  readonly confirmedLsn: Lsn;
  readonly untilLsn: Lsn;
  readonly snapshot: string;
};
