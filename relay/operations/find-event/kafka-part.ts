/** What Kafka and the registry have of the events that are looked for. */

import type { Logger } from 'pino';
import type { Config } from '../../config/config.ts';
import { headerOf } from '../../config/record-headers.ts';
import { allowList } from '../../config/topic-patterns.ts';
import { connectAdmin, createKafka } from '../../connect/kafka.ts';
import { Router } from '../../encode/route.ts';
import { asRelayError } from '../../errors.ts';
import { type KafkaTransaction, readTail } from '../recent-transactions.ts';
import {
  type FindStep,
  type FoundRecord,
  type Missing,
  missingOf,
  type Unread,
  type Wanted,
} from './found.ts';
import { readPublishers, unknownPublishers } from './publishers.ts';
import { earlierMs, findRecords, type Limits, type RecordsFound, type Sought } from './records.ts';
import { registryOf, type SchemaVersion, versionsOfSchema } from './schema-versions.ts';
import type { Stored } from './stored.ts';

const bytesMax = 256 * 1024 * 1024;
const searchMs = 20_000;
/** Of Kafka's last transactions, by which the time of publication is known. */
const transactionsMax = 200;
/** Topics whose ends are read where nothing says in which one a record is. */
export const topicsMax = 20;

export type KafkaOptions = {
  readonly config: Config;
  readonly log: Logger;
  readonly wanted: Wanted;
  readonly recordsMax: number;
  readonly signal: AbortSignal | undefined;
  readonly onStep: ((step: FindStep) => void) | undefined;
};

export type KafkaPart = RecordsFound & {
  readonly transactions: readonly KafkaTransaction[];
  readonly failure: ReturnType<typeof asRelayError> | null;
  readonly schemas: Missing | null;
};

/** A failure is part of the answer. @throws what the signal says once it is aborted */
export async function readKafka(options: KafkaOptions, stored: Stored): Promise<KafkaPart> {
  const { config, log, signal, onStep, recordsMax } = options;
  const nothing: RecordsFound = { records: [], looked: [], absent: [], unread: [], partitions: new Map() };
  const kafka = createKafka(config, log);
  const admin = kafka.admin();
  try {
    await connectAdmin(admin);
    const { sought, unread } = await soughtOf(options, stored, () => admin.listTopics());
    const limits: Limits = { records: recordsMax, bytes: bytesMax, ms: searchMs };
    const found = await findRecords({
      kafka,
      admin,
      sought,
      typeHeader: headerOf(config.records, 'type'),
      publishers: async () => {
        const identity = await stored.identity();
        return identity === undefined
          ? unknownPublishers
          : readPublishers({ config, kafka, admin }, identity);
      },
      routesElsewhere: (id, topic) => {
        const rows = stored.rows.filter((row) => row.id === id);
        return rows.length > 0 && rows.every((row) => row.topic !== topic);
      },
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
    return {
      looked: found.looked,
      absent: found.absent,
      partitions: found.partitions,
      unread: [...found.unread, ...unread],
      records,
      transactions,
      failure: null,
      schemas: failure,
    };
  } catch (error) {
    if (signal?.aborted === true) throw error;
    return { ...nothing, transactions: [], failure: asRelayError(error), schemas: null };
  } finally {
    await admin.disconnect().catch(() => {});
  }
}

async function soughtOf(
  { config, wanted }: KafkaOptions,
  { rows, letters }: Stored,
  listTopics: () => Promise<string[]>,
): Promise<{ sought: Sought[]; unread: Unread[] }> {
  // What waits has no record, unless a further row has the same id.
  const waiting = new Set(
    letters.flatMap(({ eventId, status }) => (status === 'open' || status === 'parked' ? [eventId] : [])),
  );
  const sought: Sought[] = rows.flatMap(({ id, topic, key, fromMs, createdAt }) => {
    if (topic === null || (waiting.has(id) && rows.filter((row) => row.id === id).length === 1)) return [];
    const one = { id, position: null, topic, key, fromMs };
    // A row that was changed or copied since has the time of that, which may be long after its record.
    const createdMs = msOf(createdAt);
    // A little earlier is the same place, which is not read twice.
    const isEarlier = createdMs !== undefined && fromMs !== null && createdMs < fromMs - earlierMs;
    return isEarlier ? [one, { ...one, fromMs: createdMs }] : [one];
  });
  for (const { eventId, topic, aggregateid, firstSeen, status } of letters) {
    // An open one has no record; the others are published after they were seen, under their old or a new position.
    if (eventId === null || topic === null || status === 'open' || status === 'parked') continue;
    sought.push({ id: eventId, position: null, topic, key: aggregateid, fromMs: msOf(firstSeen) ?? null });
  }
  if (sought.length > 0 || letters.length > 0 || rows.length > 0) return { sought, unread: [] };
  const { by, since } = wanted;
  if (by.kind !== 'id' && by.kind !== 'position') return { sought: [], unread: [] };
  const allowed = allowList(config.topics.allow, config.kafka.progressTopic);
  const named = wanted.topics ?? null;
  const topics = named ?? (await listTopics()).filter((topic) => allowed.test(topic)).sort();
  const unread = topics.slice(topicsMax).map((topic) => ({ topic, partition: null }));
  const ends = topics.slice(0, topicsMax).map((topic) => ({
    id: by.kind === 'id' ? by.id : null,
    position: by.kind === 'position' ? by.position : null,
    topic,
    key: null,
    fromMs: since?.getTime() ?? null,
  }));
  return { sought: ends, unread };
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
