/**
 * Finds events: their rows, dead letters and records, where each is, and its story. Changes nothing. The parts are read
 * independently: what one server or right withholds is said, and the others are shown.
 */
import type { Logger } from 'pino';
import type { Config } from '../../config/config.ts';
import { allowList } from '../../config/topic-patterns.ts';
import { partitionOf } from '../../encode/murmur2.ts';
import { RequestInvalid } from '../../errors.ts';
import { parsePosition } from '../../model/position.ts';
import {
  type Cursor,
  type FindStep,
  type Found,
  type FoundRecord,
  type Looked,
  missingOf,
  type Wanted,
} from './found.ts';
import { judgeEvent } from './judge.ts';
import { type KafkaPart, readKafka } from './kafka-part.ts';
import { notesOf } from './notes.ts';
import type { Context, EventParts } from './parts.ts';
import { replaysOf } from './replays.ts';
import { Stored } from './stored.ts';

export type FindOptions = {
  readonly config: Config;
  readonly log: Logger;
  readonly wanted: Wanted;
  /** Rows, and dead letters without a row, to find at most. */
  readonly limit?: number;
  /** Where a page begins; only by key and by type. */
  readonly after?: Cursor | null;
  /** Whether payloads and headers of rows are read; only by id and by position. */
  readonly hasContents?: boolean;
  /** Records to read at most; a window of each event has its share. */
  readonly recordsMax?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: (step: FindStep) => void;
};

const limitDefault = 50;
export const recordsMaxDefault = 100_000;

/** @throws RequestInvalid; RelayError where neither Postgres nor Kafka answers */
export async function findEvents(options: FindOptions): Promise<Found> {
  const { config, wanted, onStep } = options;
  const { limit = limitDefault, after = null, hasContents = false } = options;
  assertFindable(options);
  const stored = new Stored({ config, wanted, limit, after, hasContents, onStep });
  try {
    return await findIn(stored, options);
  } finally {
    await stored.end();
  }
}

async function findIn(stored: Stored, options: FindOptions): Promise<Found> {
  const { config, log, wanted, signal, onStep, recordsMax = recordsMaxDefault } = options;
  await stored.read();
  const kafka = await readKafka({ config, log, wanted, recordsMax, signal, onStep }, stored);
  if (stored.missing.rows !== null && stored.missing.letters !== null && kafka.failure !== null)
    throw stored.failure ?? kafka.failure;
  const known = new Set([
    ...stored.rows.map(({ id }) => id),
    ...stored.letters.map(({ eventId }) => eventId),
  ]);
  // By position, Kafka is the first to say which event it is.
  if (wanted.by.kind === 'position')
    await stored.readOf(kafka.records.map(({ id }) => id).filter((id) => !known.has(id)));
  const all = partsOf(stored, kafka);
  await stored.readMore(all.flatMap(({ id }) => id ?? []));
  const firstOf = ({ records }: EventParts) => records.find(({ isOfRelay }) => isOfRelay);
  const gone = all.filter((parts) => parts.rows.length === 0 && firstOf(parts) !== undefined);
  const removals = await stored.removalsOf(gone.map((parts) => firstOf(parts)!.committedAt));
  const { status, missing } = stored;
  const context: Context = {
    verdict: status?.verdict ?? null,
    control: status?.control ?? null,
    areRowsRead: missing.rows === null,
    areRemovalsRead: missing.removals === null,
    isKafkaRead: kafka.failure === null,
    auditedAt: status?.audit?.verifiedAt ?? null,
    transactions: kafka.transactions,
  };
  const events = all.map((parts) => {
    const extras = {
      findings: stored.findings.filter(({ id }) => id === parts.id),
      replays: replaysOf(parts, stored.replays),
      removal: removals[gone.indexOf(parts)] ?? null,
    };
    return judgeEvent(parts, extras, context);
  });
  return {
    at: new Date(stored.nowMs ?? Date.now()).toISOString(),
    events,
    hasMore: stored.hasMore || stored.next !== null,
    next: stored.next,
    notes: events.length > 0 ? [] : notesOf(wanted, stored, kafka),
    looked: kafka.looked,
    unread: kafka.unread,
    absent: kafka.absent,
    missing: {
      ...missing,
      records: kafka.failure === null ? null : missingOf(kafka.failure),
      schemas: kafka.schemas,
    },
    relay: status?.verdict.text ?? null,
  };
}

/** What carries the same id belongs together. */
function partsOf({ rows, letters }: Stored, { records, looked, partitions }: KafkaPart): EventParts[] {
  type Group = {
    rows: Stored['rows'][number][];
    letters: Stored['letters'][number][];
    records: FoundRecord[];
  };
  const groups = new Map<string, Group>();
  const groupOf = (id: string | null, position: string) => {
    const name = id ?? `position ${position}`;
    const group = groups.get(name) ?? { rows: [], letters: [], records: [] };
    groups.set(name, group);
    return group;
  };
  for (const row of rows) groupOf(row.id, '').rows.push(row);
  for (const letter of letters) groupOf(letter.eventId, letter.position).letters.push(letter);
  for (const record of records) groupOf(record.id, '').records.push(record);
  return [...groups].map(([name, group]) => ({
    id: name.startsWith('position ') ? null : name,
    ...group,
    looked: lookedFor(group, looked, partitions),
  }));
}

function assertFindable({ config, wanted: { by, since, until, topics = null } }: FindOptions): void {
  const text = Object.values(by).at(-1)!;
  if (text === '') throw new RequestInvalid('nothing to look for was given');
  if (text.includes('\0')) throw new RequestInvalid('Postgres cannot hold a text with the character U+0000');
  if (by.kind === 'position' && parsePosition(by.position) === undefined)
    throw new RequestInvalid(
      'a position is 16 hexadecimal digits, a dot and 8 more, as in the header position of a record',
    );
  if (since !== null && until !== null && since >= until)
    throw new RequestInvalid('since is not before until');
  const allowed = allowList(config.topics.allow, config.kafka.progressTopic);
  for (const topic of topics ?? [])
    if (!allowed.test(topic))
      throw new RequestInvalid(`no event goes to topic ${topic}: topics.allow does not list it`);
}

function lookedFor(
  { rows, letters }: Pick<EventParts, 'rows' | 'letters'>,
  looked: readonly Looked[],
  partitions: ReadonlyMap<string, number>,
): Looked[] {
  const places = [
    ...rows.map(({ topic, key }) => ({ topic, key })),
    ...letters.map(({ topic, aggregateid }) => ({ topic, key: aggregateid })),
  ];
  return looked.filter(({ topic, partition }) =>
    places.some(
      (place) =>
        place.topic === topic &&
        (place.key === null || partitionOf(place.key, partitions.get(topic) ?? 1) === partition),
    ),
  );
}
