/**
 * Decides what an open transaction keeps from consumers, from looks at the ends of partitions. Pure. Consumers under
 * `read_committed` get as far as the last stable offset, which is before the first record of the oldest open transaction.
 * If it does not move for longer than a transaction may stay open, the transaction hangs: the coordinator has ended it, but
 * the partition has no marker, and nobody will write one.
 *
 * Promise: a partition that was not seen is neither free nor standing, and no time is longer than it was observed.
 */
import type { TransactionOwner } from '../model/hanging-transaction.ts';

/** The ends of a partition at one look; undefined where nobody could tell. */
export type LookedAt = {
  readonly topic: string;
  readonly partition: number;
  readonly ends: { readonly stable: bigint; readonly all: bigint } | undefined;
};

/** A partition in which consumers do not get past an offset. */
export type Standing = {
  readonly topic: string;
  readonly partition: number;
  /** Of the first record that they do not get. */
  readonly offset: bigint;
  /** Since the first look that saw it: at least so long. */
  readonly standingMs: number;
};

/** It outlives the sessions of a relay: each may be ended by the same outage that left the transaction behind. */
export class StandingPartitions {
  #known = new Map<string, { readonly offset: bigint; readonly sinceMs: number }>();

  /** @param nowMs on a clock that never goes back */
  note(looked: readonly LookedAt[], nowMs: number): Standing[] {
    const before = this.#known;
    this.#known = new Map();
    const standing: Standing[] = [];
    for (const { topic, partition, ends } of looked) {
      const name = `${topic}/${partition}`;
      const known = before.get(name);
      if (ends === undefined) {
        if (known !== undefined) this.#known.set(name, known);
        continue;
      }
      if (ends.stable >= ends.all) continue;
      // The offset never goes back: if it is the same, it was all the time.
      const sinceMs = known?.offset === ends.stable ? known.sinceMs : nowMs;
      this.#known.set(name, { offset: ends.stable, sinceMs });
      standing.push({ topic, partition, offset: ends.stable, standingMs: nowMs - sinceMs });
    }
    return standing;
  }
}

export type BlockedTopic = { readonly topic: string; readonly blockedMs: number };

/** For how long consumers of each topic have stood. Without a topic of which a part was not seen, and the rest is free. */
export function blockedTopics(looked: readonly LookedAt[], standing: readonly Standing[]): BlockedTopic[] {
  const blocked = new Map<string, number>();
  for (const { topic, standingMs } of standing)
    blocked.set(topic, Math.max(blocked.get(topic) ?? 0, standingMs));
  const unseen = new Set(looked.filter(({ ends }) => ends === undefined).map(({ topic }) => topic));
  const topics = new Set(looked.map(({ topic }) => topic));
  return [...topics].flatMap((topic) => {
    const blockedMs = blocked.get(topic) ?? (unseen.has(topic) ? undefined : 0);
    return blockedMs === undefined ? [] : [{ topic, blockedMs }];
  });
}

/** `transaction.max.timeout.ms` of the brokers by default: no producer may keep a transaction open for longer. */
const longestTimeoutMs = 900_000;

/**
 * After which a transaction hangs. Two looks more, 30 s by default: brokers look for transactions that are too old every
 * 10 s, and markers take their time on a loaded cluster.
 */
export function hangsAfterMs(
  owner: TransactionOwner,
  { transactionTimeoutMs, lookMs }: { readonly transactionTimeoutMs: number; readonly lookMs: number },
): number {
  const timeoutMs =
    owner === 'relay' ? transactionTimeoutMs : Math.max(longestTimeoutMs, transactionTimeoutMs);
  return timeoutMs + 2 * lookMs;
}
