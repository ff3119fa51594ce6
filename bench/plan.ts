/** What a run measures, and how long that takes. Pure. */
import { type Cell, type Growing, isMeasuredFor } from './growth-cells.ts';
import { type Competitor, type ContenderName, isContender } from './report.ts';

export type Plan = {
  readonly competitors: readonly Competitor[];
  readonly rounds: number;
  readonly events: number;
  readonly warmUpEvents: number;
  readonly partitions: number;
  readonly perTransaction: number;
  readonly rowBytes: number;
  /** Events/s to offer, and who publishes them. */
  readonly live: readonly { readonly rate: number; readonly names: readonly ContenderName[] }[];
  readonly liveSeconds: number;
  readonly cells: readonly Cell[];
  /** Whose growth is measured in these cells. */
  readonly growing: readonly Growing[];
};

/** Each contender at these; the relay also below and beyond, where the others are not at their best. */
export const commonRates = [1_000, 4_000] as const;
const relayRates = [500, 1_000, 4_000, 20_000] as const;

export function liveOf(names: readonly Competitor[], isQuick: boolean): Plan['live'] {
  const contenders = names.filter(isContender);
  const rates: readonly number[] = isQuick ? commonRates : relayRates;
  return rates
    .map((rate) => ({
      rate,
      names: contenders.filter((name) => name === 'relay' || commonRates.some((each) => each === rate)),
    }))
    .filter(({ names: { length } }) => length > 0);
}

/** Seconds per million events on two quiet cores, as measured; the perf client sends five times as many. */
const secondsPerMillion: Readonly<Record<Competitor | 'write' | 'read', number>> = {
  write: 30,
  read: 15,
  relay: 11,
  'relay-json': 10,
  debezium: 22,
  'debezium-avro': 45,
  'debezium-default': 35,
  'perf-client': 15,
  pg_recvlogical: 10,
};
/** Of a turn: flushing disks, making a connector, and the second in which nothing more may come. */
const turnSeconds = 4;
/** Of a cell: a new relay, its warm-up of 50,000 events, topics. */
const cellSeconds = 8;
/** Of a load, beside its seconds: a connector, a warm-up of 3 s, a reader that joins. */
const loadSeconds = 7;
/** Of the servers, and of each JVM of Kafka Connect. */
const startSeconds = 15;

export type Part = { readonly name: string; readonly seconds: number };

export function estimate(plan: Plan): Part[] {
  const { competitors, rounds, events, warmUpEvents, live, liveSeconds, cells, growing } = plan;
  const millions = (what: keyof typeof secondsPerMillion, count: number) =>
    (secondsPerMillion[what] * count) / 1e6;
  const sum = (values: readonly number[]) => values.reduce((total, each) => total + each, 0);
  const turn = (name: Competitor, count: number) =>
    turnSeconds + millions(name, count) + (isContender(name) ? millions('read', count) : 0);
  const round = (names: readonly Competitor[], count: number) =>
    names.length === 0 ? 0 : millions('write', count) + sum(names.map((name) => turn(name, count)));
  const jvms = competitors.filter((name) => name.startsWith('debezium')).length;
  return [
    { name: 'start', seconds: startSeconds * (1 + jvms) },
    { name: 'warm-up', seconds: warmUpEvents === 0 ? 0 : round(competitors, warmUpEvents) },
    { name: 'rounds', seconds: rounds * round(competitors, events) },
    { name: 'latency', seconds: sum(live.map(({ names }) => names.length * (liveSeconds + loadSeconds))) },
    {
      name: 'growth',
      seconds: sum(
        cells.map((cell) => {
          const names = growing.filter((name) => isMeasuredFor(name, cell));
          // By bytes, where rows are large.
          const count = cell.events * Math.max(1, cell.rowBytes / 1_000);
          return cellSeconds + round(names, count);
        }),
      ),
    },
  ].filter(({ seconds }) => seconds > 0);
}

export function describeEstimate(parts: readonly Part[]): string {
  const minutes = (seconds: number) => Math.max(1, Math.round(seconds / 60));
  const total = minutes(parts.reduce((sum, { seconds }) => sum + seconds, 0));
  const each = parts.map(({ name, seconds }) => `${name} ${minutes(seconds)}`).join(', ');
  return `takes about ${total} minutes on two quiet cores, of these for ${each}`;
}
