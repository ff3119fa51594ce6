/** The story of an event on one timeline. Pure. A time that nobody recorded is not made up. */
import { formatLsn, parseLsn, parsePosition } from '../../model/position.ts';
import type { KafkaTransaction } from '../recent-transactions.ts';
import type { FoundLetter, FoundRecord, StoryEntry } from './found.ts';
import type { Context, EventParts } from './parts.ts';

export function tellStory({ rows, letters, records }: EventParts, context: Context): StoryEntry[] {
  const committed = new Set(records.map(({ committedAt }) => committedAt));
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
  ];
  const last = records
    .map(({ committedAt }) => committedAt)
    .toSorted()
    .at(-1);
  if (context.auditedAt !== null && last !== undefined && context.auditedAt > last)
    entries.push({
      at: context.auditedAt,
      what: 'audited',
      text: 'The standing audit has compared everything that was written before',
    });
  // Stable: what has the same time, or none, stays in the order above.
  return entries.toSorted((a, b) => timeOf(a) - timeOf(b));
}

const timeOf = ({ at }: StoryEntry) => (at === null ? Number.POSITIVE_INFINITY : Date.parse(at));

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
  const { topic, partition, offset, position, committedAt, replayId } = record;
  const where = `${topic}, partition ${partition}, offset ${offset}`;
  if (replayId !== null)
    return [{ at: null, what: 'replayed', text: `Published again by replay ${replayId}: ${where}` }];
  const lsn = position === null ? undefined : parsePosition(position)?.commitLsn;
  const transaction = lsn === undefined ? undefined : transactionOf(lsn, transactions);
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

/** The first whose progress lies beyond it. Only where the one before is known: it may be much older otherwise. */
export function transactionOf(
  lsn: bigint,
  transactions: readonly KafkaTransaction[],
): KafkaTransaction | undefined {
  const index = transactions.findLastIndex(({ endLsn }) => parseLsn(endLsn) > lsn);
  const before = transactions[index + 1];
  return index >= 0 && before !== undefined && !before.isPartial ? transactions[index] : undefined;
}
