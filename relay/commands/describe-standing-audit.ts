/** A standing audit as lines for people; `--json` has all of it. Pure. */
import { printable } from '../observe/printable.ts';
import {
  type AuditRow,
  type DebeziumReport,
  hasFindings,
  openFindings,
  type StandingReport,
  type StoredFinding,
  unproven,
} from '../operations/audit.ts';
import { Foreign, type ForeignTopic } from '../operations/verify.ts';
import { foreignLines, missingOrRemoved } from './describe-audit.ts';
import { count, counted } from './format.ts';

/** Findings shown. */
const shown = 20;

const unjudgedNames: Readonly<Record<string, string>> = {
  unknown: 'older than the table',
  expired: 'older than the topics',
  missingOrRemoved: 'missing, or removed by Kafka',
  compacted: 'perhaps removed by compaction',
  before: 'before the audit or the relay began',
  undated: 'perhaps before the relay began',
  rewritten: 'changed after they were published',
  foreign: 'from other producers',
  publishedSince: 'published since, after no window could judge them',
  replayed: 'published again on purpose',
  released: 'released dead letters',
  withoutId: 'rows without an id',
  newer: 'newer than the snapshot',
  notYetPublished: 'not yet confirmed',
  leakedOrNotShown: 'leaked, or not shown yet',
};

export function describeStanding({ at, slot, audit, latest }: StandingReport): string[] {
  return [
    row('audit of slot', slot, `at ${at}`),
    row('verified up to', audit.verifiedLsn ?? 'nothing', audit.verifiedAt?.toISOString()),
    row('counts since', audit.startedAt.toISOString(), printable(audit.startedBecause)),
    ...(audit.beginsAt === null
      ? []
      : [row('begins at', audit.beginsAt.toISOString(), 'rows from before are left out')]),
    row('events', count(audit.events)),
    row('compared', count(audit.matched), 'their record or dead letter was found'),
    row('records', count(audit.records), `in ${counted(audit.windows, 'window')}`),
    '',
    ...Object.entries(openFindings(audit)).map(([kind, found]) =>
      row(kind.replaceAll('_', ' '), count(found), noteOf(kind, audit)),
    ),
    ...Object.entries(audit.unjudged).flatMap(([kind, found]) => [
      row(unjudgedNames[kind] ?? kind, count(found), 'not judged'),
      ...(kind === 'foreign' ? foreignLines(foreignOf(audit)) : []),
    ]),
    ...latest.slice(0, shown).map((finding) => `    ${describeFinding(finding)}`),
    ...(latest.length > shown ? ['    and more: see outbox.audit_finding'] : []),
    '',
    verdict(audit),
  ];
}

export function describeDebezium(report: DebeziumReport): string[] {
  const { ok, snapshot, confirmedLsn, isCovered, topics, events, matched, records, findings } = report;
  const { unjudged, first } = report;
  const found = Object.entries(findings).filter(([kind]) => kind !== 'out_of_order');
  return [
    row('events in the table', count(events), `at ${snapshot.lsn}, ${snapshot.time}`),
    row('records in Kafka', count(records), `in ${counted(topics.length, 'topic')}`),
    row('compared', count(matched), 'events whose record was found'),
    row(
      'confirmed by the slot',
      confirmedLsn,
      isCovered ? 'covers the snapshot' : 'has not reached the snapshot',
    ),
    row('order of a key', 'unknown', 'records have no position'),
    '',
    ...found.map(([kind, number]) => row(kind, count(number))),
    ...Object.entries(unjudged).flatMap(([kind, number]) => [
      row(unjudgedNames[kind] ?? kind, count(number), 'not judged'),
      ...(kind === 'foreign' ? foreignLines(report.foreignTopics) : []),
    ]),
    ...first.slice(0, shown).map(({ kind, id, topic, partition, offset, detail }) => {
      const place = offset === undefined ? (topic ?? 'no topic') : `${topic}/${partition} offset ${offset}`;
      return `    ${kind}: ${printable(id ?? 'no id')} at ${printable(place)}${detail === undefined ? '' : `, ${printable(detail)}`}`;
    }),
    '',
    ok
      ? events === 0
        ? 'nothing verified: the table holds no events'
        : `ok: every event${(unjudged.expired ?? 0) > 0 ? ' that the topics may still have' : ''} is published exactly once`
      : found.some(([, number]) => number > 0)
        ? `FAILED: ${found
            .filter(([, number]) => number > 0)
            .map(([kind, number]) => `${count(number)} ${kind}`)
            .join(', ')}`
        : unjudged.missingOrRemoved !== undefined
          ? `NOT PROVEN: ${counted(unjudged.missingOrRemoved, 'event')} without a record, ${missingOrRemoved}`
          : isCovered && matched === 0 && events > 0
            ? `NOT PROVEN: nothing could be compared. None of ${counted(events, 'event')} has a record`
            : isCovered
              ? 'not complete: records without a row are leaked, or of transactions that have not ended, as while a commit waits for a synchronous standby; wait longer with --wait-seconds'
              : 'not complete: the slot has not confirmed the snapshot; wait longer with --wait-seconds',
  ];
}

/**
 * Of the windows that are kept, whose number is bounded; the first of each topic is that of the earliest. An audit that
 * starts again counts its windows from 1, and keeps those from before, which are no part of the numbers.
 */
function foreignOf({ runs, windows }: AuditRow): ForeignTopic[] {
  const all = new Foreign();
  const first = runs.findLastIndex(({ window }, index) => window !== windows - (runs.length - 1 - index)) + 1;
  for (const { foreign } of runs.slice(first)) all.addTopics(foreign ?? []);
  return all.topics();
}

function noteOf(kind: string, { missing, missingOpen }: AuditRow): string | undefined {
  return kind === 'missing' && missing > missingOpen
    ? `${count(missing - missingOpen)} more were published since`
    : undefined;
}

function describeFinding({
  foundAt,
  kind,
  id,
  topic,
  partition,
  offset,
  position,
  detail,
}: StoredFinding): string {
  const place = offset === null ? (topic ?? 'no topic') : `${topic}/${partition} offset ${offset}`;
  const more = [
    position === null ? [] : [`position ${position}`],
    detail === null ? [] : [printable(detail)],
  ];
  return [
    `${foundAt.toISOString()} ${kind.replaceAll('_', ' ')}: ${printable(id ?? 'no id')} at ${printable(place)}`,
    ...more.flat(),
  ].join(', ');
}

function verdict(audit: AuditRow): string {
  const { lastError, heldBack, verifiedAt, beginsAt } = audit;
  if (hasFindings(audit)) {
    const found = Object.entries(openFindings(audit)).filter(([, number]) => number > 0);
    return `FAILED: ${found.map(([kind, number]) => `${count(number)} ${kind.replaceAll('_', ' ')}`).join(', ')}`;
  }
  const begun = beginsAt === null ? '' : '; the next run verifies what is committed since the audit began';
  const known =
    verifiedAt === null
      ? 'nothing verified so far'
      : unproven(audit) > 0
        ? `NOT PROVEN up to ${verifiedAt.toISOString()}: ${counted(unproven(audit), 'event')} without a record, ${missingOrRemoved}`
        : audit.matched === 0
          ? nothingCompared(audit, verifiedAt)
          : `ok up to ${verifiedAt.toISOString()}`;
  if (lastError !== null) return `${known}; the last run failed: ${printable(lastError)}`;
  if (heldBack !== null) return `${known}; the last run was held back: ${printable(heldBack)}`;
  if (verifiedAt !== null && (unproven(audit) > 0 || audit.matched === 0)) return known;
  return verifiedAt === null
    ? `${known}${begun}`
    : `${known}: every event${whichOf(audit)} is published exactly once or is a dead letter`;
}

function nothingCompared({ events, beginsAt }: AuditRow, verifiedAt: Date): string {
  const since = beginsAt === null ? '' : ` since the audit began at ${beginsAt.toISOString()}`;
  const why =
    events === 0
      ? `no event was committed${since}`
      : `none of ${counted(events, 'event')} has a record or a dead letter that would prove it; the lines "not judged" say why`;
  return `nothing compared yet up to ${verifiedAt.toISOString()}: ${why}`;
}

/** Rows that had no record, and may have lacked one for a reason. */
const notJudged = ['expired', 'compacted', 'undated'] as const;

function whichOf({ unjudged, beginsAt }: AuditRow): string {
  const open = notJudged.some((kind) => (unjudged[kind] ?? 0) > 0);
  const since =
    beginsAt !== null
      ? ` committed since ${beginsAt.toISOString()}`
      : (unjudged.before ?? 0) > 0
        ? ' since the relay first started'
        : '';
  return `${since}${open ? ' that could be judged' : ''}`;
}

function row(name: string, value: string, note?: string): string {
  return `${name.padEnd(36)}${value.padStart(12)}${note === undefined ? '' : `  ${note}`}`;
}
