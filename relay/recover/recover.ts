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
import type { Admin } from 'kafkajs';
import type pg from 'pg';
import type { Logger } from 'pino';
import { assertVisible } from '../audit/read-topics.ts';
import {
  dropSlotOnceFree,
  renewSlotWithSnapshot,
  type SlotWithSnapshot,
  temporarySlotWithSnapshot,
} from '../capture/slot.ts';
import type { Unreadable } from '../capture/transaction.ts';
import type { Config } from '../config/config.ts';
import { createKafka, kafkaError } from '../connect/kafka.ts';
import { openClient } from '../connect/postgres/client.ts';
import { createPool } from '../connect/postgres/pool.ts';
import { assertRowsShown } from '../connect/postgres/rows-shown.ts';
import { query } from '../connect/postgres/statement.ts';
import { DeadLetterTopic } from '../encode/dead-letter-topic.ts';
import { Encoder } from '../encode/encoder.ts';
import { RegistryClient } from '../encode/registry/registry-client.ts';
import type { ErrorCode } from '../errors.ts';
import { storeProgress } from '../ledger/bookkeeping.ts';
import { beginDecisions, inSession, type Session, takeOver } from '../ledger/session.ts';
import { beginSnapshots, forgetCovered, storeCovered } from '../ledger/snapshots.ts';
import { formatLsn, type Lsn } from '../model/position.ts';
import type { Progress } from '../model/progress.ts';
import { failpoint } from '../observe/failpoints.ts';
import { Topics } from '../publish/topics.ts';
import { progressAt } from '../session/database-state.ts';
import { type HeldSlot, type Means, whileHoldingSlot } from '../session/hold.ts';
import { instanceName } from '../session/instance.ts';
import { progressOf } from '../session/lineage.ts';
import { closeGap } from './close-gap.ts';
import { type AbsentEvent, countUncertainKeys, eventMs, order, type Reason } from './gap.ts';
import { type Decided, readDecided, readLetters, takeBack } from './letters.ts';
import { assertRecoverable, knownOf, type Loss, lookForLoss } from './loss.ts';
import { readPublished } from './published.ts';
import { type Gap, readGap } from './read-gap.ts';
import { findUnreadable, nameOf, shownId } from './unreadable.ts';

export type RecoverOptions = {
  readonly config: Config;
  readonly log: Logger;
  readonly isDryRun: boolean;
  /** Go on also where nothing is found to be wrong. */
  readonly isForced: boolean;
  /** Go on although Kafka holds events that this database has lost. */
  readonly acceptsRewound: boolean;
  /** Publish in the order of writing where that of the commits is not known. */
  readonly acceptsWritingOrder: boolean;
  /** Make a dead letter of each row that Postgres cannot give as text. */
  readonly skipsUnreadable: boolean;
  /** What to do with events that may have been published and removed from Kafka since. */
  readonly unjudged: 'refuse' | 'publish' | 'skip';
  readonly onProgress: (progress: RecoverProgress) => void;
};

export type RecoverProgress = {
  readonly stage: 'slot' | 'topics' | 'table' | 'rows' | 'publishing';
  readonly done: number;
  /** undefined where it is not known beforehand. */
  readonly total?: number;
};

/** Some events: how many, the first of their ids, and from when they are. */
export type Some = {
  readonly count: number;
  readonly ids: readonly string[];
  readonly from: string | null;
  readonly until: string | null;
};

export type Recovery = {
  readonly found: readonly { readonly code: ErrorCode; readonly message: string }[];
  readonly outcome: 'dry-run' | 'refused' | 'recovered';
  /** What a person has to decide first, with the option that does. */
  readonly doubts: readonly string[];
  readonly before: Progress | null;
  readonly after: Progress | null;
  /** Where the new slot begins, or an old one will go on; null in a dry run. */
  readonly slotLsn: string | null;
  /** Whether the slot that was there can be used, and stays. */
  readonly keepsSlot: boolean;
  readonly events: number;
  readonly records: number;
  readonly missing: Some;
  /** Of the missing ones, those whose rows Postgres cannot give as text. */
  readonly unreadable: Some;
  /** How the missing events of one key are ordered: by commit, by writing, or nothing is to be ordered. */
  readonly order: 'commit' | 'writing' | 'none';
  /** Keys for which that order is not certain. */
  readonly uncertainKeys: number;
  readonly unjudged: Some;
  readonly expired: Some;
  readonly beforeFirstStart: Some;
  readonly withoutId: number;
  readonly repeated: number;
  /** Dead letters that a relay closed to read their events again and never did; the table has those no more. */
  readonly reopened: number;
  /** When rows may have been removed from the table that were never published; null where the table reaches back far enough. */
  readonly notCovered: { readonly from: string | null; readonly until: string } | null;
  readonly published: number;
  readonly deadLettered: number;
};

/** Of an event that is in neither Kafka nor the dead letters. */
const reasons: Readonly<Record<Reason, string>> = {
  'unknown-start':
    'were committed when the relay kept no record of it: before it first started, and never to be published, or later; or what was not published then was given up with `adopt` or `--unjudged skip`',
  contradiction:
    'count as published or set aside, but a topic of which nothing was removed does not have them: was it made anew, or did a person discard them',
  removed: 'may have been published and removed from Kafka since, or never have been published',
};

/** For the acknowledgement to arrive. */
const flushTimeoutMs = 1_000;

/** Most ids of each kind that are shown. */
const idsShown = 20;

/** Where it reads what was decided of events. */
const tablesOfDecisions = [
  'outbox.dead_letter',
  'outbox.parked_key',
  'outbox.key_release',
  'outbox.progress',
] as const;

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
    const loss = await lookForLoss({ config, pool, kafka, admin });
    assertRecoverable(loss, options);
    const run = new Run(options, { config, pool, kafka }, admin, loss);
    return options.isDryRun ? await run.show() : await run.recover();
  } finally {
    await Promise.allSettled([admin.disconnect(), pool.end()]);
  }
}

type Compared = {
  readonly gap: Gap;
  readonly missing: readonly AbsentEvent[];
  readonly unreadable: ReadonlyMap<string, Unreadable>;
  readonly records: number;
};

class Run {
  readonly #options: RecoverOptions;
  readonly #means: Means;
  readonly #admin: Admin;
  readonly #loss: Loss;
  readonly #instance = instanceName('recover');

  constructor(options: RecoverOptions, means: Means, admin: Admin, loss: Loss) {
    this.#options = options;
    this.#means = means;
    this.#admin = admin;
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
    const recovery = await whileHoldingSlot(this.#means, (held) => this.#close(client, held, slotLsn));
    if (recovery.outcome === 'refused') await dropSlotOnceFree(this.#means.pool, this.#options.config.slot);
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
    return whileHoldingSlot(this.#means, close, this.#loss.walLsn);
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
    const { pool } = this.#means;
    const { publisher, lineage, database } = held;
    if (lineage.kind === 'progress-unreadable') throw lineage.refusal;
    const claimed = progressOf(lineage);
    const session = await beginDecisions(pool, config.slot, database.systemIdentifier, 'epoch');
    if (claimed !== null) await endAdoption(pool, session, claimed);
    const decided = await this.#decided(claimed);
    const compared = await this.#compare(client, decided);
    const facts = { slotLsn: formatLsn(slotLsn), before: claimed };
    const doubts = this.#doubts(compared);
    if (doubts.length > 0) return this.#report(compared, { ...facts, outcome: 'refused' });
    const { undecided, unread } = compared.gap;
    const parked = await takeBack(pool, session, decided, undecided, unread);
    await failpoint('DEAD_LETTERS_REREAD');
    const fresh = {
      ...progressAt(config.slot, database, this.#instance, claimed?.eventCount),
      endLsn: slotLsn,
    };
    const topics = new Topics(this.#means.kafka, this.#admin, config);
    const { topic } = config.deadLetters;
    const closed = await closeGap(
      {
        config,
        client,
        pool,
        publisher,
        session,
        parked,
        unreadable: compared.unreadable,
        encoder: new Encoder(config, new RegistryClient(config.registry), topics, this.#options.log),
        deadLetterTopic:
          topic === undefined ? undefined : new DeadLetterTopic(topic, topics, config.publish.maxRecordBytes),
        consistentLsn: slotLsn,
        progress: { ...this.#begin(claimed, fresh), last: undefined, instance: this.#instance },
        onProgress: (done, total) => this.#options.onProgress({ stage: 'publishing', done, total }),
      },
      compared.missing,
    );
    await this.#assertRowsShown();
    const after = { ...fresh, eventCount: fresh.eventCount + closed.published };
    const { unjudged } = this.#options;
    // What is skipped must not count as published later.
    if (unjudged === 'skip' && compared.gap.absent.unjudged.length > 0) await forgetCovered(pool, after);
    await publisher.commit(publisher.newBatch(), after);
    await failpoint('FIRST_PROGRESS_COMMITTED');
    await storeProgress(pool, after, this.#loss.publication);
    await beginSnapshots(pool, after, undefined);
    const { snapshot, atMs } = compared.gap;
    await storeCovered(pool, after, { snapshot, takenMs: atMs, beat: after.beat });
    return this.#report(compared, { ...facts, ...closed, after, outcome: 'recovered' });
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
    return readDecided(this.#means.pool, config.slot, isOfStream && acceptsRewound ? null : progress);
  }

  async #compare(client: pg.Client, decided: Decided): Promise<Compared> {
    const { config, onProgress, unjudged } = this.#options;
    const published = await readPublished({
      config,
      kafka: this.#means.kafka,
      admin: this.#admin,
      onProgress: (done, total) => onProgress({ stage: 'topics', done, total }),
    });
    const gap = await readGap({
      config,
      client,
      published,
      letters: await readLetters(config, decided),
      known: knownOf(this.#loss),
      coveredMs: this.#loss.snapshots.coveredMs,
      onProgress: (done) => onProgress({ stage: 'table', done }),
    });
    const { absent } = gap;
    // A listing leaves out what may not be seen, and what may not be seen is not absent.
    const hidden = [...absent.missing, ...absent.expired, ...absent.unjudged].flatMap(({ topic }) =>
      topic === undefined || published.topics.has(topic) ? [] : [topic],
    );
    await assertVisible(this.#admin, hidden);
    const missing = unjudged === 'publish' ? [...absent.missing, ...absent.unjudged] : absent.missing;
    const unreadable = await findUnreadable(config, client, missing, (done) =>
      onProgress({ stage: 'rows', done, total: missing.length }),
    );
    await this.#assertRowsShown();
    return { gap, records: published.records, missing: order(missing), unreadable };
  }

  /** What is hidden counts as absent, and the progress would pass it over. The snapshot's transaction is still open. */
  #assertRowsShown(): Promise<void> {
    const { config } = this.#options;
    return assertRowsShown(this.#means.pool, config, [config.outbox.table, ...tablesOfDecisions]);
  }

  #doubts({ gap, missing, unreadable }: Compared): string[] {
    const doubts: string[] = [];
    const { acceptsWritingOrder, skipsUnreadable, unjudged } = this.#options;
    const uncertain = countUncertainKeys(missing);
    if (uncertain > 0 && !acceptsWritingOrder)
      doubts.push(
        `of ${uncertain} keys, events of several transactions are missing, and Postgres did not keep when those were committed (track_commit_timestamp is ${gap.hasCommitTimes ? 'on now, but was not then' : 'off'}): --by-writing-order publishes them in the order in which the rows were written, which is that of the commits if writers hold a lock on the aggregate`,
      );
    const [first, ...others] = missing.filter((event) => unreadable.has(nameOf(event)));
    if (first !== undefined && !skipsUnreadable)
      doubts.push(
        `ROW_UNREADABLE: event ${shownId(first)}${others.length === 0 ? '' : ` and ${others.length} others`}: ${unreadable.get(nameOf(first))!.message}: --skip-unreadable makes a dead letter of each such row and publishes the rest`,
      );
    if (unjudged === 'refuse')
      for (const [reason, count] of Object.entries(gap.reasons) as [Reason, number][])
        if (count > 0)
          doubts.push(`${count} events ${reasons[reason]}: --unjudged publish or --unjudged skip`);
    return doubts;
  }

  #report(compared: Compared, done: Pick<Recovery, 'outcome'> & Partial<Recovery>): Recovery {
    const { gap, missing, records, unreadable } = compared;
    const { absent, events, withoutId, repeated } = gap;
    const isTimed = missing.every(({ committedUs }) => committedUs !== null);
    return {
      found: this.#loss.found.map(({ code, message }) => ({ code, message })),
      doubts: this.#doubts(compared),
      before: this.#loss.progress,
      after: null,
      slotLsn: null,
      keepsSlot: this.#loss.slot !== undefined,
      events,
      records,
      missing: some(missing),
      unreadable: some(missing.filter((event) => unreadable.has(nameOf(event)))),
      order: missing.length < 2 ? 'none' : isTimed ? 'commit' : 'writing',
      uncertainKeys: countUncertainKeys(missing),
      unjudged: some(absent.unjudged),
      expired: some(absent.expired),
      beforeFirstStart: some(absent.before),
      withoutId,
      repeated,
      reopened: gap.unread.length,
      notCovered: notCovered(gap, this.#loss),
      published: 0,
      deadLettered: 0,
      ...done,
    };
  }
}

/** What an adoption that died in between has left to do. */
function endAdoption(pool: pg.Pool, session: Session, claimed: Progress): Promise<void> {
  return inSession(pool, session, 'storing what was adopted', (client) => takeOver(client, claimed, null));
}

function some(events: readonly AbsentEvent[]): Some {
  let from = Number.POSITIVE_INFINITY;
  let until = Number.NEGATIVE_INFINITY;
  for (const event of events) {
    const ms = eventMs(event);
    if (ms === undefined) continue;
    from = Math.min(from, ms);
    until = Math.max(until, ms);
  }
  return {
    count: events.length,
    ids: events.slice(0, idsShown).map(shownId),
    from: Number.isFinite(from) ? iso(from) : null,
    until: Number.isFinite(until) ? iso(until) : null,
  };
}

/**
 * What was removed from the table, and was committed after what is known to be published, may be lost. Not from when the
 * last progress was written, which a relay that lags does as well.
 */
function notCovered({ reachesBack, oldestMs, atMs }: Gap, loss: Loss): Recovery['notCovered'] {
  if (reachesBack) return null;
  const fromMs =
    (knownOf(loss).covered === undefined ? null : loss.snapshots.coveredMs) ??
    loss.progress?.last?.committedAtMs;
  return { from: fromMs === undefined ? null : iso(fromMs), until: iso(oldestMs ?? atMs) };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
