/**
 * Finds events: their rows, dead letters and records, where each is, and its story. Changes nothing. The parts are read
 * independently: what one server or right withholds is said, and the others are shown.
 */
import type { Logger } from 'pino';
import type { Config } from '../../config/config.ts';
import { allowList } from '../../config/topic-patterns.ts';
import { connectAdmin, createKafka } from '../../connect/kafka.ts';
import { openClient } from '../../connect/postgres/client.ts';
import { partitionOf } from '../../encode/murmur2.ts';
import { Router } from '../../encode/route.ts';
import { asRelayError, RequestInvalid } from '../../errors.ts';
import { readRemovals } from '../../ledger/removals.ts';
import { parsePosition } from '../../model/position.ts';
import type { Selection } from '../dead-letters/selection.ts';
import { type KafkaTransaction, readTail } from '../recent-transactions.ts';
import { readStatus, type Status } from '../status.ts';
import {
  type FindStep,
  type Found,
  type FoundLetter,
  type FoundRecord,
  type FoundRow,
  type Looked,
  type Missing,
  missingOf,
  type Wanted,
} from './found.ts';
import { describeLooked, judgeEvent } from './judge.ts';
import { findLetters } from './letters.ts';
import { findRecords, type Limits, type RecordsFound, type Sought } from './records.ts';
import { findRows, type RowQuery, rowQueryOf } from './rows.ts';
import { registryOf, type SchemaVersion, versionsOfSchema } from './schema-versions.ts';

export type FindOptions = {
  readonly config: Config;
  readonly log: Logger;
  readonly wanted: Wanted;
  /** Events to find at most. */
  readonly limit?: number;
  /** Records to read at most; a window of each event has its share. */
  readonly recordsMax?: number;
  readonly signal?: AbortSignal;
  readonly onStep?: (step: FindStep) => void;
};

/** A search without an index reads the table. */
const rowsTimeoutMs = 30_000;
const limitDefault = 50;
export const recordsMaxDefault = 100_000;
const bytesMax = 256 * 1024 * 1024;
const searchMs = 20_000;
/** Of Kafka's last transactions, by which the time of publication is known. */
const transactionsMax = 200;
/** Topics whose ends are read where nothing says in which one a record is. */
const topicsMax = 20;

/** @throws RequestInvalid; RelayError where neither Postgres nor Kafka answers */
export async function findEvents(options: FindOptions): Promise<Found> {
  const { wanted, limit = limitDefault } = options;
  assertFindable(wanted);
  const stored = await readStored(options, limit);
  const kafka = await readKafka(options, stored);
  if (stored.missing.rows !== null && stored.missing.letters !== null && kafka.failure !== null)
    throw stored.failure ?? kafka.failure;
  const groups = new Map<string, { rows: FoundRow[]; letters: FoundLetter[]; records: FoundRecord[] }>();
  const groupOf = (id: string | null, position: string) => {
    const name = id ?? `position ${position}`;
    const group = groups.get(name) ?? { rows: [], letters: [], records: [] };
    groups.set(name, group);
    return group;
  };
  for (const row of stored.rows) groupOf(row.id, '').rows.push(row);
  for (const letter of stored.letters) groupOf(letter.eventId, letter.position).letters.push(letter);
  for (const record of kafka.records) groupOf(record.id, '').records.push(record);
  const { status } = stored;
  const context = {
    verdict: status?.verdict ?? null,
    isKafkaRead: kafka.failure === null,
    auditedAt: status?.audit?.verifiedAt ?? null,
    removedBeforeMs: stored.removedBeforeMs,
    transactions: kafka.transactions,
  };
  const events = [...groups].map(([name, group]) =>
    judgeEvent(
      {
        id: name.startsWith('position ') ? null : name,
        ...group,
        looked: lookedFor(group, kafka.looked, kafka.partitions),
      },
      context,
    ),
  );
  const shown = events.slice(0, limit);
  return {
    at: new Date(stored.nowMs ?? Date.now()).toISOString(),
    events: shown,
    hasMore: stored.hasMore || events.length > limit,
    notes: shown.length > 0 ? [] : notesOf(wanted, stored, kafka),
    looked: kafka.looked,
    missing: {
      ...stored.missing,
      records: kafka.failure === null ? null : missingOf(kafka.failure),
      schemas: kafka.schemas,
    },
    relay: status?.verdict.text ?? null,
  };
}

function assertFindable({ by, since, until }: Wanted): void {
  const text = Object.values(by).at(-1)!;
  if (text === '') throw new RequestInvalid('nothing to look for was given');
  if (text.includes('\0')) throw new RequestInvalid('Postgres cannot hold a text with the character U+0000');
  if (by.kind === 'position' && parsePosition(by.position) === undefined)
    throw new RequestInvalid(
      'a position is 16 hexadecimal digits, a dot and 8 more, as in the header position of a record',
    );
  if (since !== null && until !== null && since >= until)
    throw new RequestInvalid('since is not before until');
}

type Stored = {
  rows: readonly FoundRow[];
  letters: readonly FoundLetter[];
  hasMore: boolean;
  nowMs: number | null;
  status: Status | null;
  removedBeforeMs: number | null;
  missing: { rows: Missing | null; letters: Missing | null; status: Missing | null };
  failure: Error | null;
};

async function readStored(options: FindOptions, limit: number): Promise<Stored> {
  const { config, wanted, onStep } = options;
  const stored: Stored = {
    rows: [],
    letters: [],
    hasMore: false,
    nowMs: null,
    status: null,
    removedBeforeMs: null,
    missing: { rows: null, letters: null, status: null },
    failure: null,
  };
  const attempt = async (part: keyof Stored['missing'], work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      if (error instanceof RequestInvalid) throw error;
      const failure = asRelayError(error);
      stored.failure ??= failure;
      stored.missing[part] = missingOf(failure);
    }
  };
  await attempt('status', async () => {
    stored.status = await readStatus(config);
  });
  const readRows = (of: RowQuery) =>
    attempt('rows', async () => {
      onStep?.({ stage: 'rows' });
      const client = await openClient(config, 'outbox-relay find', rowsTimeoutMs);
      try {
        const { rows, hasMore, nowMs } = await findRows(client, config, of);
        Object.assign(stored, { rows, nowMs, hasMore: stored.hasMore || hasMore });
        stored.removedBeforeMs = (await readRemovals(client))?.beforeMs ?? null;
      } finally {
        await client.end().catch(() => {});
      }
    });
  const readLetters = (selection: Selection) =>
    attempt('letters', async () => {
      onStep?.({ stage: 'letters' });
      const client = await openClient(config, 'outbox-relay find', config.database.statementTimeoutMs);
      try {
        const { letters, hasMore } = await findLetters(client, config, selection, limit);
        const known = new Set(stored.letters.map(({ position }) => position));
        stored.letters = [...stored.letters, ...letters.filter(({ position }) => !known.has(position))];
        stored.hasMore ||= hasMore;
      } finally {
        await client.end().catch(() => {});
      }
    });
  const query = rowQueryOf(wanted, limit);
  if (query !== undefined) await readRows(query);
  await readLetters(lettersOf(wanted));
  const ids = [...stored.rows.map(({ id }) => id), ...stored.letters.map(({ eventId }) => eventId ?? '')];
  const wantedIds = [...new Set(ids)].filter((id) => id !== '');
  // What carries the same id belongs together: a resubmitted event has a second row, and may have further dead letters.
  if (wanted.by.kind !== 'id' && wantedIds.length > 0) {
    if (wanted.by.kind === 'position')
      await readRows({ column: 'id', values: wantedIds, since: null, until: null, limit });
    await readLetters({ names: wantedIds.map((eventId) => ({ kind: 'event' as const, eventId })) });
  }
  return stored;
}

function lettersOf({ by, since, until }: Wanted): Selection {
  const times = { ...(since !== null && { since }), ...(until !== null && { until }) };
  switch (by.kind) {
    case 'id':
      return { names: [{ kind: 'event', eventId: by.id }] };
    case 'position':
      return { names: [{ kind: 'position', position: parsePosition(by.position)! }] };
    case 'key':
      return { keys: [by.key], ...times };
    case 'type':
      return { types: [by.type], ...times };
  }
}

type KafkaPart = RecordsFound & {
  readonly transactions: readonly KafkaTransaction[];
  readonly failure: Error | null;
  readonly schemas: Missing | null;
};

async function readKafka(
  options: FindOptions,
  stored: Stored,
): Promise<KafkaPart & { failure: ReturnType<typeof asRelayError> | null }> {
  const { config, log, signal, onStep, recordsMax = recordsMaxDefault } = options;
  const nothing: RecordsFound = { records: [], looked: [], absent: [], partitions: new Map() };
  const kafka = createKafka(config, log);
  const admin = kafka.admin();
  try {
    await connectAdmin(admin);
    const sought = await soughtOf(options, stored, () => admin.listTopics());
    const limits: Limits = { records: recordsMax, bytes: bytesMax, ms: searchMs };
    const found = await findRecords({
      kafka,
      admin,
      sought,
      limits,
      signal,
      onProgress: (topic, partition, records) =>
        onStep?.({ stage: 'records', topic, partition, records, recordsMax }),
    });
    const transactions =
      found.records.length === 0
        ? []
        : await readTail({ config, kafka, admin }, transactionsMax).catch(() => []);
    const { records, failure } = await withVersions(config, found.records);
    return { ...found, looked: found.looked, records, transactions, failure: null, schemas: failure };
  } catch (error) {
    if (signal?.aborted === true) throw error;
    return { ...nothing, transactions: [], failure: asRelayError(error), schemas: null };
  } finally {
    await admin.disconnect().catch(() => {});
  }
}

async function soughtOf(
  { config, wanted }: FindOptions,
  { rows, letters }: Stored,
  listTopics: () => Promise<string[]>,
): Promise<Sought[]> {
  // What waits has no record, unless a further row has the same id.
  const waiting = new Set(
    letters.flatMap(({ eventId, status }) => (status === 'open' || status === 'parked' ? [eventId] : [])),
  );
  const sought: Sought[] = rows.flatMap(({ id, topic, key, fromMs }) =>
    topic === null || (waiting.has(id) && rows.filter((row) => row.id === id).length === 1)
      ? []
      : [{ id, position: null, topic, key, fromMs }],
  );
  for (const { eventId, topic, aggregateid, firstSeen, status } of letters) {
    // An open one has no record; the others are published after they were seen, under their old or a new position.
    if (eventId === null || topic === null || status === 'open' || status === 'parked') continue;
    sought.push({ id: eventId, position: null, topic, key: aggregateid, fromMs: msOf(firstSeen) ?? null });
  }
  if (sought.length > 0 || letters.length > 0 || rows.length > 0) return sought;
  const { by, since } = wanted;
  if (by.kind !== 'id' && by.kind !== 'position') return [];
  const allowed = allowList(config.topics.allow, config.kafka.progressTopic);
  const topics = (await listTopics()).filter((topic) => allowed.test(topic)).sort();
  return topics.slice(0, topicsMax).map((topic) => ({
    id: by.kind === 'id' ? by.id : null,
    position: by.kind === 'position' ? by.position : null,
    topic,
    key: null,
    fromMs: since?.getTime() ?? null,
  }));
}

const msOf = (iso: string | null) => (iso === null ? undefined : Date.parse(iso));

async function withVersions(
  config: Config,
  records: readonly FoundRecord[],
): Promise<{ records: readonly FoundRecord[]; failure: Missing | null }> {
  const ids = new Set(records.flatMap(({ schema }) => (schema === null ? [] : [schema.id])));
  try {
    const http = registryOf(config);
    const versions = new Map<number, SchemaVersion[]>();
    for (const id of ids) versions.set(id, await versionsOfSchema(http, id));
    const router = new Router(config);
    const known = records.map((record) => {
      if (record.schema === null) return record;
      const { id } = record.schema;
      const subject = router.subject(record.topic, record.type ?? '');
      return { ...record, schema: { id, versions: mostTelling(versions.get(id) ?? [], subject) } };
    });
    return { records: known, failure: null };
  } catch (error) {
    return { records, failure: missingOf(asRelayError(error)) };
  }
}

/** Several subjects may have one schema: that of the event counts, where it is among them. */
function mostTelling(versions: readonly SchemaVersion[], subject: string): readonly SchemaVersion[] {
  const own = versions.filter((each) => each.subject === subject);
  return own.length > 0 ? own : versions.slice(0, 5);
}

function lookedFor(
  { rows, letters }: { rows: readonly FoundRow[]; letters: readonly FoundLetter[] },
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

/** Why there may be none, and what was looked at. */
function notesOf({ by, since, until }: Wanted, stored: Stored, kafka: KafkaPart): string[] {
  const notes: string[] = [];
  const isNarrowed = since !== null || until !== null;
  if (stored.missing.rows !== null)
    notes.push('The outbox table could not be read, so its rows are not known.');
  else if (by.kind !== 'position')
    notes.push(`The outbox table has no such row now${isNarrowed ? ' in that time' : ''}.`);
  if (stored.removedBeforeMs !== null)
    notes.push(
      `Cleanup has removed rows that were written before ${new Date(stored.removedBeforeMs).toISOString()}, so it may have been one of them.`,
    );
  if (stored.missing.letters !== null) notes.push('The dead letters could not be read.');
  else notes.push('There is no such dead letter. Closed ones are purged after some time.');
  if (kafka.failure !== null) notes.push('Kafka could not be read, so its records are not known.');
  else if (by.kind === 'id' || by.kind === 'position')
    notes.push(`${describeLooked(kafka.looked)} To look elsewhere, give the time when it was written.`);
  else
    notes.push('Records are looked up by the rows and dead letters that are found, so Kafka was not read.');
  return notes;
}
