/** What the log and the metrics say of transactions that hang. */
import type { Logger } from 'pino';
import { type HangingTransaction, ownerAdvice } from '../model/hanging-transaction.ts';
import type { Facts } from './facts.ts';
import type { Metrics } from './metrics.ts';

type Seen = Facts['endsSeen'];

const placeOf = ({ topic, partition, offset }: HangingTransaction) => `${topic}/${partition}@${offset}`;

/** A line when one is first seen, and one when consumers get past it. */
export function logHanging(log: Logger): (seen: Seen) => void {
  const said = new Map<string, HangingTransaction>();
  return ({ topics, hanging }) => {
    for (const each of hanging) {
      const { topic, partition, offset, standingMs, owner, producerId } = each;
      if (said.get(placeOf(each))?.owner === owner) continue;
      said.set(placeOf(each), each);
      log.warn(
        { topic, partition, offset, producerId, owner, standingMs: Math.round(standingMs) },
        `a transaction hangs: consumers under read_committed do not get past it. ${ownerAdvice[owner]}. See the runbook of OutboxTransactionHanging`,
      );
    }
    const present = new Set(hanging.map(placeOf));
    const seen = new Set(topics.map(({ topic }) => topic));
    for (const [place, { topic, partition, offset }] of said)
      if (!present.has(place) && seen.has(topic)) {
        said.delete(place);
        log.info({ topic, partition, offset }, 'consumers get past the transaction that hung');
      }
  };
}

export function measureHanging({ gauge }: Pick<Metrics, 'gauge'>): (seen: Seen) => void {
  /** Topics in which transactions hung. */
  const hung = new Map<string, Pick<HangingTransaction, 'topic' | 'owner'>>();
  return ({ topics, hanging }) => {
    gauge.topic_blocked_seconds.reset();
    gauge.hanging_transactions.reset();
    for (const { topic, blockedMs } of topics) gauge.topic_blocked_seconds.set({ topic }, blockedMs / 1000);
    const seen = new Set(topics.map(({ topic }) => topic));
    // What is over is 0 from then on: the alert holds on to what is no longer seen.
    for (const { topic, owner } of hung.values())
      if (seen.has(topic)) gauge.hanging_transactions.set({ topic, owner }, 0);
    for (const { topic, owner } of hanging) {
      hung.set(`${topic} ${owner}`, { topic, owner });
      gauge.hanging_transactions.inc({ topic, owner });
    }
  };
}
