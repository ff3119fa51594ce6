/** What `outbox-relay find` found, for people. */
import { groupBy } from '../model/builtins.ts';
import { counted } from '../model/counted.ts';
import { printable } from '../observe/printable.ts';
import { cursorText } from '../operations/find-event/cursor.ts';
import {
  areAllRead,
  type Found,
  type FoundEvent,
  type FoundRecord,
  type FoundRow,
} from '../operations/find-event/found.ts';
import { describeUnread } from '../operations/find-event/notes.ts';
import { count, formatTable } from './format.ts';

export function describeFound(found: Found): string {
  const parts = found.events.length === 0 ? [describeNothing(found)] : found.events.map(describeEvent);
  if (found.next !== null)
    parts.push(
      `More than ${count(found.events.length)} match. The next ones: --after ${cursorText(found.next)}. Or narrow them with --since and --until, or raise --limit.`,
    );
  else if (found.hasMore) parts.push('There is more of it than is shown here: raise --limit.');
  if (found.events.length > 0 && found.unread.length > 0) parts.push(printable(describeUnread(found.unread)));
  // One server that does not answer keeps several parts from being read.
  const faults = groupBy(missingParts(found), ({ fault: { code, message } }) => `${code}: ${message}`);
  const missing = [...faults].map(([reason, all]) => {
    const names = all.map(({ part }) => partNames[part]).join(', ');
    return `! Not read: ${names}: ${printable(reason)}\n  ${all[0]!.fault.hint}`;
  });
  return [...parts, ...missing].join('\n\n');
}

const partNames = {
  rows: 'the outbox table',
  letters: 'the dead letters',
  status: 'the status of the relay',
  findings: 'what the audit found',
  replays: 'the replays',
  removals: 'what cleanup removed',
  records: 'Kafka',
  schemas: 'the versions of schemas in the registry',
} as const;

type Part = keyof Found['missing'];

const missingParts = ({ missing }: Found) =>
  Object.entries(missing).flatMap(([part, fault]) => (fault === null ? [] : [{ part: part as Part, fault }]));

function describeNothing(found: Found): string {
  const first = areAllRead(found.missing) ? 'Nothing was found.' : 'Nothing was found in what could be read.';
  return [first, ...found.notes.map((note) => `  ${printable(note)}`)].join('\n');
}

function describeEvent({ id, text, advice, reasons, rows, letters, records, story }: FoundEvent): string {
  const facts = [
    ['event', id ?? 'without id'],
    ...rows.flatMap(describeRow),
    ...letters.map(({ position, status, code }) => ['dead letter', `${position}, ${status}, ${code}`]),
    ...records.flatMap(describeRecord),
  ];
  const events = story.map(({ at, text: what }) => [at ?? 'time not known', what]);
  return [
    printable(text),
    ...reasons.map((reason) => `  because: ${printable(reason)}`),
    ...(advice === null ? [] : [`  ${printable(advice)}`]),
    formatTable(facts),
    'story',
    indentedTable(events),
  ].join('\n');
}

function describeRow({ type, key, table, xid, createdAt, committedAt, payloadBytes }: FoundRow): string[][] {
  const committed = committedAt === null ? '' : `, committed ${committedAt}`;
  return [
    [
      'row',
      `${type ?? 'no type'}, key ${key ?? 'none'}, ${payloadBytes === null ? 'tombstone' : counted(payloadBytes, 'byte')}`,
    ],
    ['', `${table}, transaction ${xid}${createdAt === null ? '' : `, written ${createdAt}`}${committed}`],
  ];
}

function describeRecord({
  topic,
  partition,
  offset,
  position,
  schema,
  format,
  replayId,
  isOfRelay,
}: FoundRecord): string[][] {
  const by = isOfRelay ? (replayId === null ? '' : `, by replay ${replayId}`) : ', by another producer';
  const versions = schema?.versions?.map(({ subject, version }) => `${subject} version ${version}`) ?? [];
  return [
    ['record', `${topic}, partition ${partition}, offset ${offset}${by}`],
    ...(position === null ? [] : [['position', position]]),
    [
      'schema',
      schema === null
        ? `none${format === 'json' ? ': the value is JSON' : ''}`
        : `id ${schema.id}${versions.length === 0 ? '' : `: ${versions.slice(0, 3).join(', ')}`}`,
    ],
  ];
}

const indentedTable = (rows: readonly (readonly string[])[]) => formatTable(rows).replace(/^/gm, '  ');
