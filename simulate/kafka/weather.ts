/** What the cluster of a run has: the version of its transactions, how much is left of the epochs, which refusals happen. */
import type { Random } from '../../harness/random.ts';

export const transactionVersions = ['1', '2', 'moving'] as const;
export type TransactionVersions = (typeof transactionVersions)[number];

export type KafkaWeather = {
  readonly versions: TransactionVersions;
  /** Level to which `moving` goes down. At level 0 brokers block what a client of version 2 has used, until they reload it. */
  readonly lowLevel: 0 | 1;
  /** The level at the beginning; undefined in a cluster before 4.0. */
  readonly transactionVersion: number | undefined;
  /** Epoch with which the relay's transactional id begins. */
  readonly firstEpoch: number;
  readonly abortableShare: number;
  /** How often a coordinator that has no leader to write a marker to leaves it out, as Kafka 4.3 does (KAFKA-20734). */
  readonly skippedMarkerShare: number;
  /** How often something fails while a marker is written after the fact, between the two requests that this takes. */
  readonly mendFaultShare: number;
  /** Which share of the partitions that have an open transaction the relay is told of, and how often. */
  readonly standingNamed: { readonly share: number; readonly everyMs: number };
};

/** Share of the moving seeds that go down to level 0. */
const zeroShare = 0.25;

/** The last epoch that a client has; the coordinator keeps the one after it. */
const lastEpoch = 32_766;

/** Instead of what is drawn. */
export type AskedWeather = {
  readonly transactionVersions?: TransactionVersions | undefined;
  /** Kafka writes every marker. */
  readonly keepsMarkers?: boolean | undefined;
};

export function drawKafka(random: Random, asked: AskedWeather): KafkaWeather {
  const drawn = random.pick(transactionVersions);
  const [old, begins] = [random.pick([undefined, 0, 1]), random.pick([0, 1, 2])];
  const lowLevel = random.chance(zeroShare) ? 0 : 1;
  const isNearEnd = random.chance(0.25);
  const left = random.pick([0, 1, 3, 20]);
  const share = random.pick([0, 0, 0, 0.002, 0.02]);
  const skipped = random.pick([0, 0.2, 1]);
  const mendFaultShare = random.pick([0, 0.3]);
  const standingNamed = { share: random.pick([0, 0.5, 1]), everyMs: random.pick([100, 500]) };
  const versions = asked.transactionVersions ?? drawn;
  return {
    versions,
    lowLevel,
    transactionVersion: { 1: old, 2: 2, moving: begins }[versions],
    firstEpoch: isNearEnd ? lastEpoch - left : 0,
    abortableShare: share,
    // A producer cannot end what its last producer id has open, so the two never meet here.
    skippedMarkerShare: isNearEnd || asked.keepsMarkers === true ? 0 : skipped,
    mendFaultShare,
    standingNamed,
  };
}
