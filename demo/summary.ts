/** The result of a run: the figures, and how they are printed. Pure. */
import { styleText } from 'node:util';
import { percentile } from '../harness/percentile.ts';
import type { Evolved } from './evolution.ts';
import { isClean, type Verdict } from './oracle.ts';

/** Keys in this order are the JSON object that `--json` prints. */
export type Summary = {
  readonly committed: number;
  readonly published: number;
  readonly missing: number;
  readonly duplicates: number;
  readonly leaked: number;
  readonly orderViolations: number;
  /** From the answer to COMMIT to the receipt by the consumer. */
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  /** Published events, over the time from the first transaction to the last receipt. */
  readonly eventsPerSecond: number;
  readonly maxMs: number;
  readonly undecodable: number;
  readonly altered: number;
  readonly misplaced: number;
  readonly deadLetters: number;
  readonly rolledBack: number;
  /** How often the relay was killed. */
  readonly crashes: number;
  readonly seconds: number;
  readonly seed: number;
  /** The result of the schema change in the middle of the run; absent if the run ended before it. */
  readonly evolution?: Evolved;
  /** Why the run could not finish; the figures then cover what was done. */
  readonly error?: string;
};

export type SummaryInput = {
  readonly verdict: Verdict;
  readonly latenciesMs: readonly number[];
  readonly elapsedMs: number;
  readonly crashes: number;
  readonly seed: number;
  readonly evolved?: Evolved | undefined;
  readonly error?: string;
};

export function summarise(input: SummaryInput): Summary {
  const { verdict, latenciesMs, elapsedMs, crashes, seed, evolved, error } = input;
  const sorted = Float64Array.from(latenciesMs).sort();
  const { committed, published, missing, duplicates, leaked, orderViolations, ...others } = verdict;
  return {
    committed,
    published,
    missing,
    duplicates,
    leaked,
    orderViolations,
    p50Ms: tenth(percentile(sorted, 0.5)),
    p95Ms: tenth(percentile(sorted, 0.95)),
    p99Ms: tenth(percentile(sorted, 0.99)),
    eventsPerSecond: elapsedMs > 0 ? tenth((published / elapsedMs) * 1000) : 0,
    maxMs: tenth(percentile(sorted, 1)),
    ...others,
    crashes,
    seconds: tenth(elapsedMs / 1000),
    seed,
    ...(evolved === undefined ? {} : { evolution: evolved }),
    ...(error === undefined ? {} : { error }),
  };
}

export function isGood(summary: Summary): boolean {
  return summary.error === undefined && isClean(summary) && (summary.evolution?.unreadable ?? 0) === 0;
}

type Line = readonly [label: string, value: number, meaning: string];

/** For a person, at most 80 columns; in colour where `colour` says so. */
export function describeSummary(summary: Summary, colour: boolean): string[] {
  const paint = (style: 'red' | 'green' | 'bold' | 'dim', text: string) =>
    colour ? styleText(style, text, { validateStream: false }) : text;
  const row = ([label, value, meaning]: Line, style?: 'red' | 'green') => {
    const figure = count(value).padStart(10);
    return `  ${label.padEnd(18)}${style ? paint(style, figure) : figure}   ${paint('dim', meaning)}`;
  };
  const zero = (line: Line) => row(line, line[1] === 0 ? 'green' : 'red');
  const verdict = isGood(summary)
    ? paint('green', summary.committed === 0 ? nothingWritten : promiseKept)
    : paint('red', summary.error ?? promiseBroken);
  return [
    row(['committed', summary.committed, 'valid events of committed transactions']),
    row(['published', summary.published, 'of these, received by a read_committed consumer']),
    zero(['missing', summary.missing, 'committed, but neither received nor refused']),
    zero(['duplicates', summary.duplicates, 'received or dead-lettered more than once']),
    zero(['leaked', summary.leaked, 'received, but never committed']),
    zero(['order violations', summary.orderViolations, 'received after a later event of the same key']),
    zero(['undecodable', summary.undecodable, 'not Avro of a known schema']),
    zero(['altered', summary.altered, 'topic, key or content is not what was written']),
    zero(['misplaced', summary.misplaced, 'dead-lettered though valid, or the reverse']),
    row(['dead letters', summary.deadLetters, 'committed, but no schema or topic accepts them']),
    row(['rolled back', summary.rolledBack, 'written and rolled back: must never be seen']),
    row(['relay killed', summary.crashes, 'times, with SIGKILL']),
    ...describeEvolution(summary.evolution, row, zero),
    `  latency           ${latencies(summary)} from COMMIT`,
    `  throughput        ${count(Math.round(summary.eventsPerSecond))} events/s for ${summary.seconds} s; seed ${summary.seed}`,
    '',
    paint('bold', verdict),
  ];
}

function describeEvolution(
  evolved: Evolved | undefined,
  row: (line: Line) => string,
  zero: (line: Line) => string,
): string[] {
  if (evolved === undefined) return [];
  const { withNewField, readByOld, readByNew, unreadable, refused } = evolved;
  return [
    row(['new field', withNewField, 'events with the field that the new schema adds']),
    row(['old consumer', readByOld, 'events of both versions, with the old schema']),
    row(['new consumer', readByNew, 'events of both versions, with the new schema']),
    zero(['unreadable', unreadable, 'by one of these two consumers']),
    ...(refused === null
      ? []
      : ['  breaking change   refused, naming the field and the consumers it breaks']),
  ];
}

const promiseKept = 'Each committed event is in Kafka exactly once and in order, or is a dead letter.';
const promiseBroken = 'The promise is broken: the red figures must be 0.';
const nothingWritten = 'Stopped before anything was committed.';

function latencies({ p50Ms, p95Ms, p99Ms }: Summary): string {
  return `p50 ${milliseconds(p50Ms)}, p95 ${milliseconds(p95Ms)}, p99 ${milliseconds(p99Ms)}`;
}

/** With one decimal below 10 ms. */
export function milliseconds(value: number): string {
  return value < 10 ? `${value.toFixed(1)} ms` : `${count(Math.round(value))} ms`;
}

/** With a comma at each thousand. */
export function count(value: number): string {
  return value.toLocaleString('en-US');
}

function tenth(value: number): number {
  return Math.round(value * 10) / 10;
}
