/** The outcomes of a run, as tables and as text. */
import { percentile } from '../harness/percentile.ts';
import { describeAudit } from './audit.ts';
import { type Producer, producers } from './fault.ts';
import type { Outcome, RunResult } from './run.ts';

export type Row = {
  readonly fault: string;
  readonly times: number;
  readonly p50Ms: number | null;
  readonly maxMs: number | null;
  readonly haltedWith: string;
  readonly broken: string;
};

/** One row a fault; all pairs share a row, because there are too many kinds of them. */
export function summarise(outcomes: readonly Outcome[]): Row[] {
  const groups = Map.groupBy(outcomes, ({ faults }) => (faults.length > 1 ? pairs : faults[0]!));
  return [...groups]
    .toSorted(([a], [b]) => Number(a === pairs) - Number(b === pairs) || a.localeCompare(b))
    .map(([fault, group]) => {
      const times = group.flatMap(({ recoveredMs }) => recoveredMs ?? []).toSorted((a, b) => a - b);
      return {
        fault,
        times: group.length,
        p50Ms: times.length === 0 ? null : percentile(times, 0.5),
        maxMs: times.at(-1) ?? null,
        haltedWith: [...new Set(group.flatMap(({ haltedWith }) => haltedWith ?? []))].join(', '),
        broken: [
          ...new Set(group.flatMap(({ breaches }) => breaches.map(({ invariant }) => invariant))),
        ].join(' '),
      };
    });
}

const pairs = 'two at the same time, of different classes';
const seconds = (ms: number | null) => (ms === null ? '' : `${(ms / 1000).toFixed(1)} s`);
const columns = ['fault', 'times', 'recovered in, p50', 'max', 'halts with', 'invariants'];
const cells = ({ fault, times, p50Ms, maxMs, haltedWith, broken }: Row) => [
  fault,
  String(times),
  seconds(p50Ms),
  seconds(maxMs),
  haltedWith,
  broken === '' ? 'all held' : `BROKEN: ${broken}`,
];

export function textTable(outcomes: readonly Outcome[]): string {
  const lines = [columns, ...summarise(outcomes).map(cells)];
  const widths = columns.map((_, n) => Math.max(...lines.map((line) => line[n]!.length)));
  return lines
    .map((line) =>
      line
        .map((cell, n) => cell.padEnd(widths[n]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function markdownTable(outcomes: readonly Outcome[]): string {
  const row = (line: readonly string[]) => `| ${line.join(' | ')} |`;
  const lines = summarise(outcomes).map((line) =>
    row(cells(line).map((cell, n) => (n === 4 && cell !== '' ? `\`${cell}\`` : cell))),
  );
  return [row(columns), row(columns.map(() => '---')), ...lines].join('\n');
}

const introduction = `# What the relay survived

\`npm run chaos\` breaks the relay, its servers and the network between them, on real servers. During the run, three writers
commit without pause, and an independent \`read_committed\` consumer follows the topics. After each fault the run checks
ten invariants:

| | |
| --- | --- |
| I1 | the published events are the committed ones, minus the dead letters |
| I2 | each id is in Kafka once |
| I3 | the order of a key is the order of its commits |
| I4 | the events of one Postgres transaction are in one Kafka transaction, or in a declared split |
| I5 | every progress counts exactly the events up to it |
| I6 | \`confirmed_flush_lsn\` never passes the committed progress (checked on the slot every 50 ms, and on the wire: nothing is acknowledged before Kafka has confirmed it) |
| I7 | the consumer never sees an id twice or a key out of order, at any moment |
| I8 | the relay catches up within 10 s (a standby within 3 s, or later if Kafka itself is slower: see \`--list\`), or halts with the expected code; the limits grow if the machine is busy with other work |
| I9 | each dead letter is there exactly once; under \`park-key\` no event of its key overtakes it (checked by I3 and I7, since a released event keeps its position) |
| I12 | with \`--audit\`: the standing audit, which runs beside, finds what a fault has lost, and only that; nothing stays missing after the recovery |`;

/**
 * The text of docs/evidence/chaos.md: a table for each producer.
 * @param before its text so far, of which the table of the other producer stays
 */
export function document(before: string, result: RunResult, minutes: number): string {
  const sections = producers.map((producer) =>
    producer === result.producer ? section(result, minutes) : (sectionOf(producer).exec(before)?.[0] ?? ''),
  );
  return `${[introduction, ...sections.filter((text) => text !== '')].join('\n\n')}\n`;
}

const sectionOf = (producer: Producer): RegExp =>
  new RegExp(`<!-- ${producer} -->.*<!-- /${producer} -->`, 's');

function section(result: RunResult, minutes: number): string {
  const { producer, transactionVersion, seed, audit } = result;
  const version = transactionVersion === '1' ? '' : ` --transaction-version ${transactionVersion}`;
  const option = `${producer === 'lean' ? '' : ` --producer ${producer}`}${version}${audit === undefined ? '' : ' --audit'}`;
  const audited = audit === undefined ? '' : ` ${describeAudit(audit)}`;
  return `<!-- ${producer} -->
## With the producer \`${producer}\`

Made by \`npm run chaos -- --minutes ${minutes} --seed ${seed}${option} --docs\`. ${describeTotals(result)}${audited}

${markdownTable(result.outcomes)}
<!-- /${producer} -->`;
}

export function describeTotals(result: RunResult): string {
  const { outcomes, seed, calmMs, events, producer, transactionVersion } = result;
  const by = `the producer \`${producer}\`${transactionVersion === '1' ? '' : ` (publish.transactionVersion ${transactionVersion})`}`;
  const broken = outcomes.filter(({ breaches }) => breaches.length > 0).length;
  const verdict =
    broken === 0 ? 'all invariants held' : `${broken} of them broke an invariant or missed their time limit`;
  return `${outcomes.length} faults (seed ${seed}), ${events} events by ${by}: ${verdict}. A calm restart takes ${seconds(calmMs)} on this machine.`;
}

export function describeOutcome(
  { faults, recoveredMs, haltedWith, breaches, crashes, tookMs, logFile }: Outcome,
  count: number,
): string {
  const end = [
    haltedWith === null ? '' : `halted with ${haltedWith}`,
    recoveredMs === null ? '' : `recovered in ${seconds(recoveredMs)}`,
  ].filter((part) => part !== '');
  const head = `${String(count).padStart(4)}  ${faults.join('  +  ')}  ${end.join(', ')} (${seconds(tookMs)})`;
  const details = [
    ...breaches.map(({ invariant, detail }) => `      BROKEN ${invariant} ${detail}`),
    ...(breaches.length > 0 ? [`      log: ${logFile}`] : []),
    ...crashes.map((crash) => `      a relay ended by itself: ${crash.trim().split('\n').at(-1)}`),
  ];
  return [head, ...details].join('\n');
}
