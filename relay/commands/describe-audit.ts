/** An audit as lines for people; `--json` has it whole. Pure. */

import type { AuditProgress, AuditReport } from '../audit/audit.ts';
import type {
  DifferentRecord,
  Findings,
  Listed,
  OutOfOrderRecord,
  RecordPlace,
  Unjudged,
} from '../audit/findings.ts';
import { printable } from '../observe/printable.ts';

/** Ids shown of each kind. */
const shown = 20;

const findingNames: Readonly<Record<keyof Findings, string>> = {
  missing: 'missing',
  duplicate: 'duplicate',
  leaked: 'leaked',
  outOfOrder: 'out of order',
  undecodable: 'undecodable',
  different: 'different from its row',
  repeatedId: 'repeated id',
  deadLetterPublished: 'dead letter, yet published',
};

const unjudgedNames: Readonly<Record<keyof Unjudged, string>> = {
  notYetPublished: 'not yet published',
  newer: 'newer than the snapshot',
  unknown: 'older than the table',
  expired: 'older than the topics',
  superseded: 'compacted away',
  before: 'from before the first start',
  foreign: 'of other producers',
  removed: 'removed while comparing',
};

export function describeReport(report: AuditReport): string[] {
  const { snapshot, progress, topics } = report;
  return [
    line('events in the table', report.events, `at ${snapshot.lsn}, ${snapshot.time}`),
    line(
      'records in Kafka',
      report.records,
      `in ${topics.length} ${topics.length === 1 ? 'topic' : 'topics'}`,
    ),
    line(
      'compared with their rows',
      report.compared,
      report.comparesContent ? undefined : 'not judged: --no-content',
    ),
    line('dead letters', report.deadLetters),
    ...(report.withoutId > 0 ? [line('rows without an id', report.withoutId, 'not judged')] : []),
    ...(report.knowsCompacted
      ? []
      : [
          row(
            'compacted topics',
            'unknown',
            'for want of DescribeConfigs on the topics, judged as any topic',
          ),
        ]),
    row('progress', progress?.endLsn ?? 'none', progressNote(report)),
    '',
    ...kinds(findingNames).flatMap((kind) => listLines(findingNames[kind], report.findings[kind])),
    ...kinds(unjudgedNames)
      .filter((kind) => report.unjudged[kind].count > 0)
      .flatMap((kind) => listLines(unjudgedNames[kind], report.unjudged[kind], 'not judged')),
    '',
    verdict(report),
  ];
}

export function describeProgress({ stage, done, total }: AuditProgress): string {
  if (stage === 'progress') return 'waiting for the progress to reach the snapshot';
  if (stage === 'dead letters') return 'reading the dead letters';
  if (total === undefined) return `reading the ${stage}: ${count(done)}`;
  const share = total === 0 ? 1 : done / total;
  const bar = '#'.repeat(Math.floor(share * 30)).padEnd(30, '.');
  return `reading the ${stage}: [${bar}] ${Math.floor(share * 100)} % of ${count(total)} offsets`;
}

function progressNote({ progress, isCovered }: AuditReport): string {
  if (progress === null) return 'nothing was published for this slot';
  if (!progress.isSameDatabase) return 'of another Postgres cluster';
  return isCovered
    ? 'covers the snapshot'
    : 'does not cover the snapshot: is the relay running? Longer: --wait-seconds';
}

function verdict(report: AuditReport): string {
  const { ok, findings, unjudged } = report;
  if (!ok) {
    const found = kinds(findings).filter((kind) => findings[kind].count > 0);
    return `FOUND: ${found.map((kind) => `${count(findings[kind].count)} ${findingNames[kind]}`).join(', ')}`;
  }
  if (report.events === 0) return 'nothing judged: the table has no event that could be missing or different';
  const waiting = unjudged.notYetPublished.count;
  const which = unjudged.before.count === 0 ? 'of the snapshot' : 'since the relay first started';
  if (waiting === 0) return `ok: every event ${which} is published exactly once, or a dead letter`;
  return `ok as far as can be judged: ${count(waiting)} ${waiting === 1 ? 'event waits' : 'events wait'} to be published, which is no error while a relay catches up`;
}

function listLines(
  name: string,
  { count: found, first }: Listed<string | RecordPlace>,
  note?: string,
): string[] {
  const more = found - Math.min(found, shown, first.length);
  return [
    line(name, found, note),
    ...first.slice(0, shown).map((item) => `    ${describeItem(item)}`),
    ...(more > 0 ? [`    and ${count(more)} more`] : []),
  ];
}

function describeItem(item: string | RecordPlace): string {
  if (typeof item === 'string') return printable(item);
  const place = `${printable(item.id ?? 'no id')} at ${item.topic}/${item.partition} offset ${item.offset}`;
  if ('path' in item) {
    const { position, path, reason } = item as DifferentRecord;
    return `${place}, position ${position}: ${printable(path)}: ${reason}`;
  }
  if ('reason' in item) return `${place}: ${printable(String(item.reason))}`;
  if ('after' in item) return `${place}: ${(item as OutOfOrderRecord).position} after ${item.after}`;
  return place;
}

function line(name: string, value: number, note?: string): string {
  return row(name, count(value), note);
}

function row(name: string, value: string, note?: string): string {
  return `${name.padEnd(27)}${value.padStart(12)}${note === undefined ? '' : `  ${note}`}`;
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

function kinds<T extends object>(names: T): (keyof T)[] {
  return Object.keys(names) as (keyof T)[];
}
