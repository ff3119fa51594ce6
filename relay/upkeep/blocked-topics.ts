/**
 * Looks whether consumers under `read_committed` get to the ends of the topics that the relay writes to, and whose
 * transaction it is that stops them. It names those of the relay to the producer, which finishes them. It writes nothing, and
 * decides nothing.
 */
import type { Kafka } from 'kafkajs';
import type { Config } from '../config/config.ts';
import { kafkaError } from '../connect/kafka.ts';
import { withResolvers } from '../model/builtins.ts';
import type { HangingTransaction } from '../model/hanging-transaction.ts';
import type { RelayObserver } from '../observe/observer.ts';
import { nameStanding } from '../publish/lean/marker-memory.ts';
import { OpenTransactions, type Owned } from '../publish/open-transactions.ts';
import {
  blockedTopics,
  hangsAfterMs,
  type Standing,
  type StandingPartitions,
} from '../publish/standing-partitions.ts';
import { transactionalIdOf } from '../publish/transactional-id.ts';
import type { Duty } from './duty.ts';

/** Share of the time that looks may take. */
const lookShareMax = 0.1;
/** Whose transactions are asked for in a look: with more, one reason will do for all. */
const askedMax = 20;

const unseen: Owned = { owner: 'unknown', producerId: undefined };

export type BlockedTopicsMeans = {
  readonly config: Config;
  readonly kafka: Kafka;
  readonly observer: RelayObserver;
  readonly standing: StandingPartitions;
  /** Only tests set it. */
  readonly hangsAfterMs?: typeof hangsAfterMs;
};

/** @returns undefined where the settings turn it off */
export function blockedTopicsDuty(means: BlockedTopicsMeans): Duty | undefined {
  const { config, kafka } = means;
  const { metrics } = config;
  if (metrics.blockedTopicsMax === 0) return undefined;
  const transactions = OpenTransactions.of(kafka, config, metrics.blockedTopicsMax);
  const owners = new Map<string, Owned>();
  const ended = withResolvers<void>();
  let watched: AbortSignal | undefined;
  return {
    name: 'blocked_topics',
    everyMs: metrics.blockedTopicsLookMs,
    shareMax: lookShareMax,
    run: (signal) => {
      // Its connections stay open between two looks.
      const end = () => {
        ended.resolve();
        void transactions.close().catch(() => {});
      };
      if (watched !== signal) signal.addEventListener('abort', end, { once: true });
      watched = signal;
      // The client tries for minutes to reach a broker that is gone. The end of the stream does not wait for that.
      return Promise.race([look(means, transactions, owners, signal), ended.promise]);
    },
  };
}

async function look(
  means: BlockedTopicsMeans,
  transactions: OpenTransactions,
  owners: Map<string, Owned>,
  signal: AbortSignal,
): Promise<void> {
  const { observer, standing } = means;
  let failure: unknown;
  try {
    const looked = await transactions.look();
    const still = standing.note(looked, performance.now());
    const { hanging, failure: unasked } = await hangingOf(means, transactions, owners, still);
    failure = transactions.failure ?? unasked;
    if (signal.aborted) return;
    const own = hanging.filter(({ owner }) => owner === 'relay');
    nameStanding(means.kafka, transactionalIdOf(means.config), own);
    observer.endsSeen?.({ topics: blockedTopics(looked, still), hanging });
  } catch (error) {
    failure = error;
    if (!signal.aborted) observer.endsSeen?.({ topics: [], hanging: [] });
  } finally {
    if (signal.aborted) await transactions.close();
  }
  if (failure !== undefined && !signal.aborted) throw kafkaError(failure, 'looking for open transactions');
}

/**
 * Those that stand for longer than their owner may keep a transaction open. A question that fails takes none away that is
 * known: its topic was seen, so it would seem to be over.
 */
async function hangingOf(
  { config, hangsAfterMs: limitOf = hangsAfterMs }: BlockedTopicsMeans,
  transactions: OpenTransactions,
  owners: Map<string, Owned>,
  standing: readonly Standing[],
): Promise<{ readonly hanging: HangingTransaction[]; readonly failure: unknown }> {
  const { transactionTimeoutMs } = config.kafka;
  const limits = { transactionTimeoutMs, lookMs: config.metrics.blockedTopicsLookMs };
  const suspects = standing
    .filter(({ standingMs }) => standingMs >= limitOf('relay', limits))
    .sort((a, b) => b.standingMs - a.standingMs);
  const names = new Set(suspects.map(nameOf));
  for (const name of owners.keys()) if (!names.has(name)) owners.delete(name);
  const hanging: HangingTransaction[] = [];
  let failure: unknown;
  for (const [index, suspect] of suspects.entries()) {
    const owned = await ownedBy(suspect, index, transactions, owners).catch((error: unknown) => {
      failure ??= error;
      return owners.get(nameOf(suspect)) ?? unseen;
    });
    if (owned === undefined || suspect.standingMs < limitOf(owned.owner, limits)) continue;
    const { topic, partition, offset, standingMs } = suspect;
    hanging.push({
      ...{ topic, partition, standingMs },
      offset: String(offset),
      owner: owned.owner,
      producerId: owned.producerId === undefined ? null : String(owned.producerId),
    });
  }
  return { hanging, failure };
}

/** Asked once of each that is known. What may not be seen is asked again: somebody may grant the right. */
async function ownedBy(
  suspect: Standing,
  index: number,
  transactions: OpenTransactions,
  owners: Map<string, Owned>,
): Promise<Owned | undefined> {
  const known = owners.get(nameOf(suspect));
  if (known !== undefined && known.owner !== 'unknown') return known;
  if (index >= askedMax) return known ?? unseen;
  const owned = await transactions.ownerOf(suspect, suspect.offset);
  if (owned !== undefined) owners.set(nameOf(suspect), owned);
  return owned;
}

const nameOf = ({ topic, partition, offset }: Standing): string => `${topic}/${partition}@${offset}`;
