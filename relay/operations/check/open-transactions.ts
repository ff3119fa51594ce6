/**
 * Looks whether consumers under `read_committed` get to the ends of the topics. A transaction that is open at the moment
 * moves on within seconds; one that hangs never does.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { kafkaError } from '../../connect/kafka.ts';
import { counted } from '../../model/counted.ts';
import type { TransactionOwner } from '../../model/hanging-transaction.ts';
import { OpenTransactions } from '../../publish/open-transactions.ts';
import { type LookedAt, type Standing, StandingPartitions } from '../../publish/standing-partitions.ts';
import { type Check, ok, type Verdict, warn } from './finding.ts';
import { few, type KafkaContext } from './topics.ts';

/** Longer than the transactions of a relay that streams, and less than a check may take. */
const watchMs = 5_000;
const lookEveryMs = 500;
/** Of which it is asked whose they are. */
const askedMax = 5;

type Named = Standing & { readonly owner: TransactionOwner };

export const openTransactions: Check<KafkaContext> = {
  name: 'open transactions',
  async run({ kafka, config }) {
    const transactions = OpenTransactions.of(kafka, config, Math.max(config.metrics.blockedTopicsMax, 500));
    try {
      const { looked, standing } = await watch(transactions);
      const named: Named[] = [];
      for (const each of standing.slice(0, askedMax)) {
        const owned = await transactions.ownerOf(each, each.offset);
        if (owned !== undefined) named.push({ ...each, owner: owned.owner });
      }
      const others = standing.slice(askedMax).map((each): Named => ({ ...each, owner: 'unknown' }));
      return judgeEnds(looked, [...named, ...others], transactions.leftOut);
    } catch (error) {
      throw kafkaError(error, 'looking for open transactions');
    } finally {
      await transactions.close();
    }
  },
};

/** Until nothing stands, or what stands has done so for long. */
async function watch(transactions: OpenTransactions) {
  const partitions = new StandingPartitions();
  const beganMs = performance.now();
  for (;;) {
    const looked = await transactions.look();
    const standing = partitions.note(looked, performance.now());
    const isOver = performance.now() - beganMs >= watchMs;
    if (standing.length === 0 || isOver)
      return { looked, standing: standing.filter(({ standingMs }) => standingMs >= watchMs / 2) };
    await delay(lookEveryMs);
  }
}

const ownerNames: Readonly<Record<TransactionOwner, string>> = {
  relay: 'written by a relay',
  other: 'written by somebody else',
  unknown: 'whose it is could not be seen',
};

/**
 * @param standing those that did not move while they were watched
 * @param leftOut topics that nobody looked at
 */
export function judgeEnds(looked: readonly LookedAt[], standing: readonly Named[], leftOut: number): Verdict {
  if (standing.length > 0) {
    const places = standing.map(
      ({ topic, partition, offset, owner }) =>
        `offset ${offset} of ${topic}/${partition} (${ownerNames[owner]})`,
    );
    return warn(
      `consumers under read_committed did not get past ${few(places)} within ${watchMs / 1000} s: a transaction is open there`,
      'If it stays for longer than the transaction timeout of its producer, it hangs. Do not abort what a relay wrote. The section OutboxTransactionHanging of docs/guides/alerts.md says how to end it.',
    );
  }
  const unseen = looked.filter(({ ends }) => ends === undefined);
  if (unseen.length > 0)
    return warn(
      `no leader told the end of ${few(unseen.map(({ topic, partition }) => `${topic}/${partition}`))}`,
      'Look at the brokers. A partition without a leader takes no events, and no consumer reads it.',
    );
  const count = new Set(looked.map(({ topic }) => topic)).size;
  const left = `${counted(leftOut, 'topic was', 'topics were')} not looked at`;
  if (count === 0 && leftOut > 0) return warn(left, 'Kafka names no partition of them, or more than 20,000.');
  if (count === 0) return ok('no topic exists yet');
  const rest = leftOut === 0 ? '' : `; ${left}`;
  return ok(`consumers under read_committed get to the end of ${counted(count, 'topic')}${rest}`);
}
