/** Writes the figures of a run into docs/evidence/: the page, its picture, all figures as JSON; and those of the README. */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { plot } from './plot.ts';
import type { Report } from './report.ts';
import { number, settingsTables, tables } from './tables.ts';

const root = path.join(import.meta.dirname, '..');
const folder = path.join(root, 'docs', 'evidence');
const [begin, end] = ['<!-- bench -->', '<!-- /bench -->'];

export async function writePage(report: Report): Promise<void> {
  const readmeFile = path.join(root, 'README.md');
  const pageFile = path.join(folder, 'benchmark.md');
  // Both are made before either is written, so that a figure that is missing leaves all as it was.
  const readme = withFigures(await readFile(readmeFile, 'utf8'), report);
  const page = withRegion(await readFile(pageFile, 'utf8'), region(report));
  await writeFile(path.join(folder, 'bench.svg'), plot(report));
  await writeFile(path.join(folder, 'benchmark.json'), `${JSON.stringify(report, null, 2)}\n`);
  await writeFile(pageFile, page);
  await writeFile(readmeFile, readme);
}

/** @throws where the page has no region for the figures */
export function withRegion(text: string, content: string): string {
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`the page has no region between ${begin} and ${end}`);
  return `${text.slice(0, from)}${begin}\n${content}\n${text.slice(to)}`;
}

export function region(report: Report): string {
  return [
    tables(report),
    settingsTables(report),
    how(report),
    '',
    '![Speed, cost and latency](bench.svg)',
  ].join('\n');
}

function how({ machine, workload }: Report): string {
  const debezium = machine.debezium ? `Debezium ${machine.debezium}, ` : '';
  const { rounds, events, rowBytes, perTransaction, partitions } = workload;
  return [
    '## How',
    '',
    `Postgres ${machine.postgres}, Kafka ${machine.kafka}, ${debezium}Node ${machine.node}, ${machine.cores} cores shared by everything, commit ${machine.commit}; ${rounds} rounds of ${events} events of ${rowBytes} bytes of JSON in transactions of ${perTransaction}, into ${partitions} partitions; load average before ${Number(machine.loadBefore).toFixed(1)}. All figures: [benchmark.json](benchmark.json).`,
  ].join('\n');
}

/** The sentences of the README that hold figures; the rest of their paragraph is not ours. */
const sentences =
  /On (?:two|\d+) (?:shared )?cores, with exactly-once enabled in both, .*?(?= \[Benchmark\]\(docs\/evidence\/benchmark\.md\))/s;

/** @throws where the README has no place for the figures, or the run lacks one of them */
export function withFigures(readme: string, { drain, live, machine }: Report): string {
  if (!sentences.test(readme)) throw new Error('README.md has no sentence with the figures of the benchmark');
  const wanted = [
    drain.relay?.eventsPerSecond.median,
    drain.debezium?.eventsPerSecond.median,
    drain.relay?.cost.whole?.median,
    drain.debezium?.cost.whole?.median,
    live.relay?.find(({ offered }) => offered === 1_000)?.p50Ms,
  ];
  if (wanted.some((figure) => figure === undefined))
    throw new Error('the README quotes figures that this run has not: measure relay, debezium and latency');
  const [relay, debezium, cost, debeziumCost, p50] = wanted.map((figure) => number(figure));
  return readme.replace(
    sentences,
    `On ${machine.cores} shared cores, with exactly-once enabled in both, the relay drained ${relay} events/s, and Debezium, tuned and warm, ${debezium}. An event took ${cost} µs of CPU in relay, walsender and broker together, against ${debeziumCost} µs. At 1,000 events/s the relay's median latency was ${p50} ms.`,
  );
}
