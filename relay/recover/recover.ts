/**
 * From a lost slot, or events that a slot left out, to a relay that can go on. The steps, and what a death after each
 * leaves behind:
 *
 * 1. Look at what is wrong; nothing is changed.
 * 2. Take a position, and the snapshot of the database exactly there, by making a slot. Where the old one is lost, the new
 *    one takes its place: the progress in Kafka still ends before it, so that every relay refuses to start
 *    (LINEAGE_SLOT_AHEAD) and this begins anew. Where the old one can be used it stays as it is, for its WAL is the only
 *    place that knows the order of commits, and a refusal must leave it: the slot made beside it is a temporary one.
 * 3. Hold the slot and fence every predecessor, as a relay does. From here on nobody else publishes.
 * 4. Read what is in Kafka; compare it with the snapshot. Doubt ends it here: a new slot is dropped again, an old one is
 *    untouched.
 * 5. Take back what was set aside or released and is not committed, and publish what is missing, under a progress that
 *    does not end it. Until it is ended no relay begins: a new slot is ahead of the progress, and of an old one this
 *    progress says so itself (RECOVERY_UNFINISHED). What a dead attempt has published is found in Kafka by the next one.
 * 6. Commit the progress that ends at the position: an old slot brings what is before it again, and it is passed over as
 *    published. Then the mark and the copies in Postgres.
 */
import type pg from 'pg';
import {
  dropSlotOnceFree,
  renewSlotWithSnapshot,
  type SlotWithSnapshot,
  temporarySlotWithSnapshot,
} from '../capture/slot.ts';
import type { Config } from '../config/config.ts';
import { createKafka, kafkaError } from '../connect/kafka.ts';
import { openClient } from '../connect/postgres/client.ts';
import { createPool } from '../connect/postgres/pool.ts';
import { query } from '../connect/postgres/statement.ts';
import { DeadLetterTopic } from '../encode/dead-letter-topic.ts';
import { Encoder } from '../encode/encoder.ts';
import { RegistryClient } from '../encode/registry/registry-client.ts';
import { storeProgress } from '../ledger/bookkeeping.ts';
import { beginDecisions, inSession, type Session, takeOver } from '../ledger/session.ts';
import { beginSnapshots, forgetCovered, storeCovered } from '../ledger/snapshots.ts';
import { formatLsn, type Lsn } from '../model/position.ts';
import type { Progress } from '../model/progress.ts';
import { failpoint } from '../observe/failpoints.ts';
import type { Publisher } from '../publish/publisher.ts';
import { Topics } from '../publish/topics.ts';
import { progressAt } from '../session/database-state.ts';
import { type HeldSlot, whileHoldingSlot } from '../session/hold.ts';
import { instanceName } from '../session/instance.ts';
import { progressOf } from '../session/lineage.ts';
import { closeGap } from './close-gap.ts';
import { assertOutboxShown, type Compared, compare } from './compare.ts';
import { type Decided, readDecided, takeBack } from './letters.ts';
import { assertRecoverable, isRecoverable, type Loss, lookForLoss, type Places } from './loss.ts';
import type { RecoverOptions } from './options.ts';
import type { Gap } from './read-gap.ts';
import { doubtsOf, type Recovery, reportOf } from './report.ts';

/** For the acknowledgement to arrive. */
const flushTimeoutMs = 1_000;

/** Whole scans of the table, where `database.statementTimeoutMs` is meant for bookkeeping. */
const scanTimeoutMs = 3_600_000;

/**
 * @throws RelayError CONFIG_INVALID when nothing is lost; SLOT_IN_USE while a relay runs; LINEAGE_OTHER_DATABASE; all that
 * a server may answer. Can be repeated after any of them, and after a death at any instant.
 */
export async function recover(options: RecoverOptions): Promise<Recovery> {
  const { config, log } = options;
  const pool = createPool(config);
  const kafka = createKafka(config, log);
  const admin = kafka.admin();
  try {
    await admin.connect().catch((error: unknown) => {
      throw kafkaError(error, 'connecting to Kafka');
    });
    const places = { config, pool, kafka, admin };
    const loss = await lookForLoss(places);
    assertRecoverable(loss, options);
    const run = new Run(options, places, loss);
    return options.isDryRun ? await run.show() : await run.recover();
  } finally {
    await Promise.allSettled([admin.disconnect(), pool.end()]);
  }
}

class Run {
  readonly #options: RecoverOptions;
  readonly #places: Places;
  readonly #loss: Loss;
  readonly #instance = instanceName('recover');

  constructor(options: RecoverOptions, places: Places, loss: Loss) {
    this.#options = options;
    this.#places = places;
    this.#loss = loss;
  }

  /** The same comparison, as of now, and nothing written. */
  async show(): Promise<Recovery> {
    const client = await this.#openClient();
    try {
      await query(client, 'opening a snapshot', 'begin isolation level repeatable read, read only');
      const compared = await this.#compare(client, await this.#decided(this.#loss.progress));
      return this.#report(compared, { outcome: 'dry-run' });
    } finally {
      await client.end().catch(() => {});
    }
  }

  async recover(): Promise<Recovery> {
    const client = await this.#openClient();
    try {
      return this.#loss.slot === undefined ? await this.#renew(client) : await this.#keep(client);
    } finally {
      await client.end().catch(() => {});
    }
  }

  /** In place of a slot that is lost. */
  async #renew(client: pg.Client): Promise<Recovery> {
    const slotLsn = await this.#takeSnapshot(client, renewSlotWithSnapshot);
    const recovery = await whileHoldingSlot(this.#places, (held) => this.#close(client, held, slotLsn));
    if (recovery.outcome === 'refused') await dropSlotOnceFree(this.#places.pool, this.#options.config.slot);
    return recovery;
  }

  /** Beside a slot that can be used. */
  #keep(client: pg.Client): Promise<Recovery> {
    const close = async (held: HeldSlot) => {
      const recovery = await this.#close(
        client,
        held,
        await this.#takeSnapshot(client, temporarySlotWithSnapshot),
      );
      // So that the next relay need not read it again. Without it, it does.
      if (recovery.after !== null) {
        held.slot.capture.acknowledge(recovery.after.endLsn);
        await held.slot.capture.flush(flushTimeoutMs);
      }
      return recovery;
    };
    return whileHoldingSlot(this.#places, close, this.#loss.walLsn);
  }

  #openClient(): Promise<pg.Client> {
    return openClient(this.#options.config, 'outbox-relay recover', scanTimeoutMs);
  }

  /** The snapshot goes to `client`. @returns its position */
  async #takeSnapshot(
    client: pg.Client,
    makeSlot: (config: Config) => Promise<SlotWithSnapshot>,
  ): Promise<Lsn> {
    this.#options.onProgress({ stage: 'slot', done: 0 });
    await using slot = await makeSlot(this.#options.config);
    await query(client, 'opening a snapshot', 'begin isolation level repeatable read, read only');
    await query(client, 'taking up the snapshot of the slot', `set transaction snapshot '${slot.snapshot}'`);
    await failpoint('SLOT_CREATED');
    return slot.consistentLsn;
  }

  async #close(client: pg.Client, held: HeldSlot, slotLsn: Lsn): Promise<Recovery> {
    const { config } = this.#options;
    const { pool } = this.#places;
    const { lineage, database } = held;
    if ('refusal' in lineage && !isRecoverable(lineage.refusal, this.#options)) throw lineage.refusal;
    const claimed = progressOf(lineage);
    const session = await beginDecisions(pool, config.slot, database.systemIdentifier, 'epoch');
    if (claimed !== null) await endAdoption(pool, session, claimed);
    const decided = await this.#decided(claimed);
    const compared = await this.#compare(client, decided);
    const facts = { slotLsn: formatLsn(slotLsn), before: claimed };
    if (doubtsOf(compared, this.#options).length > 0)
      return this.#report(compared, { ...facts, outcome: 'refused' });
    const { undecided, unread } = compared.gap;
    const parked = await takeBack(pool, session, decided, undecided, unread);
    await failpoint('DEAD_LETTERS_REREAD');
    const fresh = {
      ...progressAt(config.slot, database, this.#instance, claimed?.eventCount),
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
        unreadable: compared.unreadable,
      },
      compared.missing,
    );
    await assertOutboxShown(pool, config);
    const after = { ...fresh, eventCount: fresh.eventCount + closed.published };
    await this.#end(held.publisher, after, compared.gap);
    return this.#report(compared, { ...facts, ...closed, after, outcome: 'recovered' });
  }

  #encoding() {
    const { config, log, onProgress } = this.#options;
    const { kafka, admin } = this.#places;
    const topics = new Topics(kafka, admin, config);
    const { topic } = config.deadLetters;
    return {
      config,
      encoder: new Encoder(config, new RegistryClient(config.registry), topics, log),
      deadLetterTopic:
        topic === undefined ? undefined : new DeadLetterTopic(topic, topics, config.publish.maxRecordBytes),
      onProgress: (done: number, total: number) => onProgress({ stage: 'publishing', done, total }),
    };
  }

  /** Everything that is missing is published: from here on a relay may start. */
  async #end(publisher: Publisher, after: Progress, gap: Gap): Promise<void> {
    const { pool } = this.#places;
    // Events that are skipped must not count as published later.
    if (this.#options.unjudged === 'skip' && gap.absent.unjudged.length > 0) await forgetCovered(pool, after);
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
    return compare(client, decided, this.#options, this.#places, this.#loss);
  }

  /**
   * What the progress says of the stream until the gap is closed, so that no relay goes on before. Where there is none, or
   * its end means nothing in a database that was rewound, it begins at the beginning: no slot of a relay does.
   */
  #begin(claimed: Progress | null, fresh: Progress): Progress {
    return claimed === null || this.#options.acceptsRewound ? { ...fresh, endLsn: 0n } : claimed;
  }

  /** What the progress says of positions means nothing in a database that was rewound. */
  #decided(progress: Progress | null): Promise<Decided> {
    const isOfStream = progress !== null && progress.endLsn > 0n;
    const { config, acceptsRewound } = this.#options;
    return readDecided(this.#places.pool, config.slot, isOfStream && acceptsRewound ? null : progress);
  }
}

/** What an adoption that died in between has left to do. */
function endAdoption(pool: pg.Pool, session: Session, claimed: Progress): Promise<void> {
  return inSession(pool, session, 'storing what was adopted', (client) => takeOver(client, claimed, null));
}
