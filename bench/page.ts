/** Writes the figures of a run into docs/evidence/benchmark.md, and its plot beside that page. */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { plot } from './plot.ts';
import type { Report } from './report.ts';
import { tables } from './tables.ts';

const folder = path.join(import.meta.dirname, '..', 'docs', 'evidence');
const [begin, end] = ['<!-- bench -->', '<!-- /bench -->'];

export async function writePage(report: Report): Promise<void> {
  const file = path.join(folder, 'benchmark.md');
  const text = await readFile(file, 'utf8');
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${file} has no region between ${begin} and ${end}`);
  await writeFile(path.join(folder, 'bench.svg'), plot(report));
  const { machine, workload } = report;
  const debezium = machine.debezium ? `Debezium ${machine.debezium}, ` : '';
  const how = `Postgres ${machine.postgres}, Kafka ${machine.kafka}, ${debezium}Node ${machine.node}, ${machine.cores} cores shared by everything, commit ${machine.commit}, ${workload.events} events of ${workload.rowBytes} bytes of JSON in transactions of ${workload.perTransaction}; load average before ${Number(machine.loadBefore).toFixed(1)}.`;
  const region = [begin, tables(report), '', how, '', '![Throughput and latency](bench.svg)', ''].join('\n');
  await writeFile(file, text.slice(0, from) + region + text.slice(to));
}
