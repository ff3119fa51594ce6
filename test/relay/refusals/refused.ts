/** Makes events as encode leaves them: good ones and refused ones. */
import { eventsOf, type OutboxEvents } from '../../../relay/capture/event.ts';
import type { CapturedRow, Unreadable } from '../../../relay/capture/transaction.ts';
import type { EncodedEvent, Refusal } from '../../../relay/encode/record.ts';
import { blankRow, rowsFrom, transactionOf } from '../capture/rows.ts';
import { recordOf } from '../publish/records.ts';

export type Event = {
  readonly key: string | null;
  readonly isGood: boolean;
  readonly topic?: string | null;
  readonly row?: Partial<CapturedRow>;
};

export const good = (key: string, topic = 'orders'): Event => ({ key, isGood: true, topic });
export const bad = (key: string | null, more: Partial<Event> = {}): Event => ({
  key,
  isGood: false,
  ...more,
});

/** A row that Postgres cannot send, as recover reads it. */
export const unreadable: Unreadable = {
  bytes: {},
  sqlState: '22021',
  message: 'not text',
  table: 'outbox.event',
  place: '(0,1)',
  idDigest: null,
};

const rowOf = ({ key, row }: Event): CapturedRow => ({ ...blankRow, aggregateid: key, ...row });

export function captured(commitLsn: bigint, events: readonly Event[], firstOrdinal = 0, skip = 0) {
  const rows = rowsFrom(events.map(rowOf));
  return eventsOf(transactionOf(commitLsn, 0, { firstOrdinal, rows }), skip);
}

/** As the encoder would leave them. */
export const encode = (them: OutboxEvents, events: readonly Event[]): EncodedEvent[] =>
  events.map((event, index) => {
    const { key, isGood, topic = 'orders' } = event;
    const { position } = them.at(index)!;
    if (!isGood) return refusalOf(event, position);
    const id = `${position.commitLsn}.${position.ordinal}`;
    return recordOf({ topic: topic ?? '', key: key ?? '', headers: { id } });
  });

export const refusalOf = (event: Event, position = { commitLsn: 1n, ordinal: 0 }): Refusal => ({
  position,
  committedAtMs: 0,
  row: rowOf(event),
  code: event.row?.unreadable === undefined ? 'PAYLOAD_INVALID' : 'EVENT_UNREADABLE',
  message: 'expected long, found string',
  path: '$.total',
  topic: event.topic === undefined ? 'orders' : event.topic,
  subject: null,
  schemaId: null,
});
