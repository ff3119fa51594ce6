/**
 * Decides which of Kafka's transaction protocols a transaction uses, and how it begins. Pure. A transaction ends in the
 * protocol in which it began: the decision is made only while nothing of it is sent.
 * @see https://cwiki.apache.org/confluence/display/KAFKA/KIP-890
 */
import type { FinalizedFeatures } from '../wire/flexible-answers.ts';

/** What `publish.transactionVersion` says: the highest version that the cluster has, or version 1. */
export type AllowedVersion = 'auto' | '1';

/** A level of the feature `transaction.version`, and the number of the change that set it. */
export type FeatureLevel = { readonly epoch: bigint; readonly level: number };

export const noFeature: FeatureLevel = { epoch: -1n, level: 0 };

/** A broker may not have heard of the latest change: what another one said before then counts. */
export function latestLevel(
  known: FeatureLevel,
  { epoch, levels }: Pick<FinalizedFeatures, 'epoch' | 'levels'>,
): FeatureLevel {
  if (epoch < known.epoch) return known;
  return { epoch, level: levels.get('transaction.version') ?? 0 };
}

/** @param areAble whether every broker that takes part supports the requests of protocol 2 */
export function chooseVersion(allowed: AllowedVersion, { level }: FeatureLevel, areAble: boolean): 1 | 2 {
  return allowed === 'auto' && level >= 2 && areAble ? 2 : 1;
}

/**
 * While the coordinator still ends the previous transaction, it refuses a new one. It tells so to a producer that adds
 * its partitions, which asks again after 1 ms. A leader that adds the partitions of a Produce request asks again after
 * 20 ms (`add.partitions.to.txn.retry.backoff.ms`). Ending a transaction takes some ms, so a later transaction saves the
 * extra request, and does not meet the pause.
 */
const quietMs = 50;

/**
 * Whether to add all partitions in a request of their own. Protocol 1 always does. In protocol 2 the leaders add them,
 * but two leaders that do it at the same time meet the same pause.
 */
export function addsFirst(version: 1 | 2, leaders: number, sinceEndMs: number): boolean {
  return version === 1 || leaders > 1 || sinceEndMs < quietMs;
}
