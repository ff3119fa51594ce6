/** An audit as lines for people; `--json` has all of it. Pure. */
import { printable } from '../observe/printable.ts';
import type {
  AuditReport,
  AuditStage,
  DifferentRecord,
  Findings,
  ForeignTopic,
  Listed,
  OutOfOrderRecord,
  RecordPlace,
  Unjudged,
} from '../operations/verify.ts';
import { count, counted } from './format.ts';
import { bar } from './progress-line.ts';

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
  deadLetterPublished: 'dead letter, but published',
};

const unjudgedNames: Readonly<Record<keyof Unjudged, string>> = {
  notYetPublished: 'not yet published',
  missingOrRemoved: 'missing, or removed',
  newer: 'newer than the snapshot',
  leakedOrNotShown: 'leaked, or not shown yet',
  leakedOrRemoved: 'leaked, or cleaned up',
  unknown: 'older than the table',
  expired: 'older than the topics',
  superseded: 'removed by compaction',
  before: 'before the first start',
  undated: 'perhaps before it',
  foreign: 'from other producers',
  removed: 'deleted during the audit',
};

/** Behind a number of events without a record. */
export const missingOrRemoved =
  'either missing or removed from the topic: a partition has lost its beginning, and its retention does not explain that';

export function describeReport(report: AuditReport): string[] {
  const { snapshot, progress, topics } = report;
  return [
    line('events in the table', report.events, `at ${snapshot.lsn}, ${snapshot.time}`),
    line('records in Kafka', report.records, `in ${counted(topics.length, 'topic')}`),
    line('events found', report.matched, 'in a topic, or as a dead letter'),
    line(
      'compared with their rows',
      report.compared,
      report.comparesContent ? undefined : 'not judged: --no-content',
    ),
    ...(report.otherSettings > 0
      ? [
          line(
            'of other settings',
            report.otherSettings,
            'right, in another form or with other headers than `records` has now',
          ),
        ]
      : []),
    line('dead letters', report.deadLetters),
    ...(report.replayed > 0
      ? [line('of replays', report.replayed, 'records that repeat events on purpose')]
      : []),
    ...(report.withoutId > 0 ? [line('rows without an id', report.withoutId, 'not judged')] : []),
    ...(report.knowsCompacted
      ? []
      : [
          row(
            'compacted topics',
            'unknown',
            'no right to DescribeConfigs on the topics; judged like other topics',
          ),
        ]),
    row('progress', progress?.endLsn ?? 'none', progressNote(report)),
    '',
    ...kinds(findingNames).flatMap((kind) => listLines(findingNames[kind], report.findings[kind])),
    ...kinds(unjudgedNames)
      .filter((kind) => report.unjudged[kind].count > 0)
      .flatMap((kind) =>
        kind === 'foreign'
          ? [
              line(unjudgedNames.foreign, report.unjudged.foreign.count, 'not judged'),
              ...foreignLines(report.foreignTopics),
            ]
          : listLines(unjudgedNames[kind], report.unjudged[kind], 'not judged'),
      ),
    '',
    verdict(report),
  ];
}

/** Where records of other producers are: the first place to look at if an event seems to be missing. */
export function foreignLines(topics: readonly ForeignTopic[]): string[] {
  const rest = topics.slice(shown);
  return [
    ...topics
      .slice(0, shown)
      .map(
        ({ topic, records, partition, offset, reason }) =>
          `    ${count(records)} in ${topic}; the first, at partition ${partition} offset ${offset}: ${printable(reason)}`,
      ),
    ...(rest.length > 0 ? [`    and in ${counted(rest.length, 'more topic')}`] : []),
  ];
}

export function describeStage({ stage, done, total }: AuditStage): string {
  if (stage === 'progress') return 'waiting for the progress to reach the snapshot';
  if (stage === 'dead letters') return 'reading the dead letters';
  if (stage === 'transactions') return 'waiting for transactions that may show what is published already';
  return `reading the ${stage}: ${total === undefined ? counted(done, 'row') : `${bar(done, total)} offsets`}`;
}

function progressNote({ progress, isCovered }: AuditReport): string {
  if (progress === null) return 'nothing was published for this slot';
  if (!progress.isSameDatabase) return 'belongs to another Postgres cluster';
  if (isCovered && !progress.isAtSnapshot) return 'covers every event in the snapshot';
  return isCovered
    ? 'covers the snapshot'
    : 'has not reached the snapshot: is a relay running? Wait longer with --wait-seconds';
}

function verdict(report: AuditReport): string {
  const { ok, findings, unjudged, progress } = report;
  if (!ok) {
    const found = kinds(findings).filter((kind) => findings[kind].count > 0);
    if (found.length === 0 && progress !== null && !progress.isSameDatabase)
      return 'NOT PROVEN: the progress belongs to another Postgres cluster, so it does not say which events are published. If the database was moved, see LINEAGE_OTHER_DATABASE in the guide to operations; if not, slot.name or DATABASE_URL is that of another outbox';
    if (found.length === 0 && progress === null && unjudged.notYetPublished.count > 0)
      return `NOT PROVEN: ${counted(unjudged.notYetPublished.count, 'event')} not yet published, and Kafka has no progress of this slot. If a relay has published before, slot.name or kafka.progressTopic is not what that relay has; if not, start one`;
    if (found.length === 0 && unjudged.missingOrRemoved.count > 0)
      return `NOT PROVEN: ${counted(unjudged.missingOrRemoved.count, 'event')} without a record, ${missingOrRemoved}`;
    if (found.length === 0 && unjudged.leakedOrNotShown.count > 0)
      return `NOT PROVEN: ${counted(unjudged.leakedOrNotShown.count, 'record')} without a row, either leaked or of transactions that have not ended, as while a commit waits for a synchronous standby. Wait longer with --wait-seconds`;
    if (found.length === 0 && unjudged.leakedOrRemoved.count === 0)
      return `NOT PROVEN: nothing could be compared. None of ${counted(report.events, 'event')} has a record or a dead letter; the lines "not judged" say why`;
    if (found.length === 0)
      return `NOT PROVEN: ${counted(unjudged.leakedOrRemoved.count, 'record')} without a row, either leaked or of rows that cleanup removed: it removed rows up to ${report.removedAt}`;
    return `FAILED: ${found.map((kind) => `${count(findings[kind].count)} ${findingNames[kind]}`).join(', ')}`;
  }
  const apart = foreignNote(unjudged.foreign.count);
  if (report.events === 0) return `nothing verified: the table holds no events${removedNote(report)}${apart}`;
  const waiting = unjudged.notYetPublished.count;
  const since = 'since the relay first started';
  const which =
    unjudged.undated.count > 0
      ? `that is known to be written ${since}`
      : unjudged.before.count > 0
        ? since
        : 'in the snapshot';
  if (waiting === 0 && report.matched === 0)
    return `nothing verified: everything (${counted(report.events, 'event')}) is from before the relay first started${removedNote(report)}${apart}`;
  if (waiting === 0)
    return `ok: every event ${which} is published exactly once or is a dead letter${removedNote(report)}${apart}`;
  return `ok so far: ${counted(waiting, 'event')} not yet published, which is normal while a relay catches up${apart}`;
}

function foreignNote(records: number): string {
  return records === 0 ? '' : `; ${counted(records, 'record')} of other producers not judged`;
}

function removedNote({ removedAt }: AuditReport): string {
  return removedAt === null ? '' : `; rows that cleanup removed, up to ${removedAt}, are not verified`;
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

function kinds<T extends object>(names: T): (keyof T)[] {
  return Object.keys(names) as (keyof T)[];
}
