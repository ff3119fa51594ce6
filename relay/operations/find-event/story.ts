/** The story of an event on one timeline. Pure. A time that nobody recorded is not made up. */
import { formatLsn, parseLsn, parsePosition } from '../../model/position.ts';
import type { KafkaTransaction } from '../recent-transactions.ts';
import type { FoundFinding, FoundLetter, FoundRecord, FoundReplay, StoryEntry } from './found.ts';
import type { Context, EventExtras, EventParts } from './parts.ts';

export function tellStory(
  { rows, letters, records }: EventParts,
  { findings, replays, removal }: EventExtras,
  context: Context,
): StoryEntry[] {
  // The time of another producer's record says nothing about the row.
  const own = records.filter(({ isOfRelay }) => isOfRelay);
  const committed = new Set(own.map(({ committedAt }) => committedAt));
  const entries: StoryEntry[] = [
    ...rows.flatMap((row): StoryEntry[] => [
      {
        at: row.createdAt,
        what: 'written',
        text: `Written to ${row.table} by Postgres transaction ${row.xid}`,
      },
      ...(row.committedAt === null || committed.has(row.committedAt)
        ? []
        : [{ at: row.committedAt, what: 'committed' as const, text: 'Its transaction was committed' }]),
    ]),
    ...letters.flatMap(ofLetter),
    ...records.flatMap((record) => ofRecord(record, context.transactions)),
    ...replays.flatMap(ofReplay),
    ...findings.flatMap(ofFinding),
  ];
  if (removal?.relation != null && rows.length === 0 && own.length > 0)
    entries.push({
      at: removal.removedAt,
      what: 'row-removed',
      text: `Cleanup dropped ${removal.relation}, which had the rows of its day`,
    });
  const last = own
    .map(({ committedAt }) => committedAt)
    .toSorted()
    .at(-1);
  if (context.auditedAt !== null && last !== undefined && context.auditedAt > last)
    entries.push({
      at: context.auditedAt,
      what: 'audited',
      text: 'The standing audit has compared everything that was written before',
    });
  return inOrder(entries);
}

/** By time. What has none follows what it follows above: a publication its commit, for example. */
function inOrder(entries: readonly StoryEntry[]): StoryEntry[] {
  let latest = Number.NEGATIVE_INFINITY;
  const timed = entries.map((entry) => {
    if (entry.at !== null) latest = Date.parse(entry.at);
    return { entry, ms: latest };
  });
  return timed.toSorted((a, b) => (a.ms === b.ms ? 0 : a.ms - b.ms)).map(({ entry }) => entry);
}

function ofLetter(letter: FoundLetter): StoryEntry[] {
  const { status, code, message, firstSeen, position, actions, behind } = letter;
  const isParked = code === 'KEY_PARKED' || code === 'TOPIC_PAUSED';
  return [
    {
      at: firstSeen,
      what: isParked ? 'parked' : 'refused',
      text: isParked
        ? `Parked at position ${position}${behind === null || behind.position === position ? '' : `, behind ${behind.position}`}`
        : `Refused at position ${position}: ${code}: ${message}`,
    },
    ...actions.map(
      ({ action, person, note, actedAt }): StoryEntry => ({
        at: actedAt,
        what: action,
        text: `${actionWords[action]} by ${person}${note === null ? '' : `: ${note}`}`,
      }),
    ),
    ...(status === 'released'
      ? [
          {
            at: null,
            what: 'released' as const,
            text: 'Its key was released, and it was published in its order',
          },
        ]
      : []),
  ];
}

const actionWords = { fix: 'Fixed', resubmit: 'Resubmitted', discard: 'Discarded' } as const;

function ofRecord(record: FoundRecord, transactions: readonly KafkaTransaction[]): StoryEntry[] {
  const { topic, partition, offset, position, committedAt, replayId, isOfRelay, isOfThisSlot } = record;
  const where = `${topic}, partition ${partition}, offset ${offset}`;
  if (!isOfRelay)
    return [
      {
        at: committedAt,
        what: 'foreign',
        text: `Written by another producer, ${isRelayElsewhere(record) ? 'a relay of another database or outbox' : 'not by a relay'}: ${where}`,
      },
    ];
  // With those of the replay.
  if (replayId !== null) return [];
  const lsn = position === null ? undefined : parsePosition(position)?.commitLsn;
  // The transactions are those of this slot: the LSN of what the relay of another one wrote says nothing of them.
  const transaction =
    lsn === undefined || isOfThisSlot === false ? undefined : transactionOf(lsn, transactions);
  return [
    {
      at: committedAt,
      what: 'committed',
      text: `Committed in Postgres${lsn === undefined ? '' : ` at LSN ${formatLsn(lsn)}`}`,
    },
    {
      at: transaction?.writtenAt ?? null,
      what: 'published',
      text: `Published: ${where}${transaction === undefined ? '' : ` by ${transaction.instance}`}`,
    },
  ];
}

/** It has the headers of a relay. */
export const isRelayElsewhere = ({ position, replayId }: FoundRecord): boolean =>
  position !== null || replayId !== null;

function ofReplay({ id, startedAt, person, reason, how, why, topic }: FoundReplay): StoryEntry[] {
  const who = `${person === null ? '' : `, started by ${person}`}${reason === null ? '' : `: ${reason}`}`;
  const to = topic === null ? '' : ` to ${topic}`;
  const texts: Readonly<Record<FoundReplay['how'], string>> = {
    published: `Replay ${id} published it again${to}${who}`,
    refused: `Replay ${id} could not publish it (${why})${who}`,
    'may-cover': `Replay ${id} may have published it again${to}, by its range${who}`,
  };
  return [{ at: startedAt, what: 'replayed', text: texts[how] }];
}

const findingWords: Readonly<Record<FoundFinding['kind'], string>> = {
  missing: 'The audit found it missing',
  duplicate: 'The audit found a second record of it',
  leaked: 'The audit found a record without a committed event',
  out_of_order: 'The audit found it out of order',
  undecodable: 'The audit found its record undecodable',
};

const resolvedWords: Readonly<Record<NonNullable<FoundFinding['resolvedBy']>, string>> = {
  record: 'The audit found it in a topic after all',
  start: 'The audit started again, and forgot that it had found it missing',
};

function ofFinding({
  kind,
  foundAt,
  resolvedAt,
  resolvedBy,
  topic,
  partition,
  offset,
  detail,
}: FoundFinding): StoryEntry[] {
  const where =
    topic === null
      ? ''
      : ` in ${topic}${partition === null ? '' : `, partition ${partition}`}${offset === null ? '' : `, offset ${offset}`}`;
  const found: StoryEntry = {
    at: foundAt,
    what: 'finding',
    text: `${findingWords[kind]}${where}${detail === null ? '' : `: ${detail}`}`,
  };
  return resolvedAt === null
    ? [found]
    : [found, { at: resolvedAt, what: 'resolved', text: resolvedWords[resolvedBy ?? 'record'] }];
}

/** The first whose progress lies beyond it. Only where the one before is known: it may be much older otherwise. */
export function transactionOf(
  lsn: bigint,
  transactions: readonly KafkaTransaction[],
): KafkaTransaction | undefined {
  const index = transactions.findLastIndex(({ endLsn }) => parseLsn(endLsn) > lsn);
  const before = transactions[index + 1];
  return index >= 0 && before !== undefined && !before.isPartial ? transactions[index] : undefined;
}
