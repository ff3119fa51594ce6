import { expect, test } from 'vitest';
import type { Refusal } from '../../../relay/encode/record.ts';
import type { Waypoints } from '../../../relay/observe/facts.ts';
import { TracedEvents } from '../../../relay/stream/traced-events.ts';
import { blankRow, transactionOf } from '../capture/rows.ts';
import { recordOf } from '../publish/records.ts';

const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
const unsampled = traceparent.replace(/01$/, '00');
const position = '0000000000000001.00000000';
const waypoints: Waypoints = { receivedMs: 1, takenMs: 2, encodedMs: 3, encodingMs: 1 };
const transaction = { ...transactionOf(1n), committedAtMs: 1_700_000_000_000 };

const recordWith = (headers: Record<string, string>) =>
  recordOf({ topic: 'orders', partition: 3, headers: { id: 'i', position, ...headers } });

const refusalWith = (headers: string | null): Refusal => ({
  position: { commitLsn: 1n, ordinal: 2 },
  committedAtMs: 5,
  row: { ...blankRow, headers },
  code: 'PAYLOAD_INVALID',
  message: '',
  path: null,
  topic: 'orders',
  subject: null,
  schemaId: null,
});

const decided = (records: ReturnType<typeof recordOf>[], deadLetters: Refusal[] = []) => {
  const traced = new TracedEvents();
  traced.decided(transaction, { records, deadLetters, parked: [] }, waypoints);
  return traced;
};

test('events are noted whose writer asks for a trace, and no others', () => {
  const records = [
    recordWith({}),
    recordWith({ traceparent, tracestate: 'a=1' }),
    recordWith({ traceparent: unsampled }),
    recordWith({ traceparent: '' }),
  ];
  expect(decided(records).events).toEqual([
    {
      ...{ traceparent, tracestate: 'a=1', position, topic: 'orders', partition: 3 },
      ...{ committedAtMs: 1_700_000_000_000, code: null, waypoints },
    },
  ]);
});

test('a dead letter is noted with its code, whatever its headers are', () => {
  const letters = [
    JSON.stringify({ traceparent, tracestate: 7 }),
    JSON.stringify({ traceparent: unsampled }),
    JSON.stringify({ traceparent: { is: 'no text' } }),
    `{"traceparent": "${traceparent}`,
    JSON.stringify(['traceparent']),
    '{}',
    null,
  ];
  expect(decided([], letters.map(refusalWith)).events).toEqual([
    {
      ...{ traceparent, tracestate: undefined, position: '0000000000000001.00000002', topic: 'orders' },
      ...{ partition: null, committedAtMs: 5, code: 'PAYLOAD_INVALID', waypoints },
    },
  ]);
});

test('an event that is released has the time of its own commit', () => {
  const traced = new TracedEvents();
  traced.released([recordOf({ headers: { position, traceparent }, timestampMs: 9 })]);
  expect(traced.events).toMatchObject([{ committedAtMs: 9, waypoints: null }]);
});

test('only so many are noted, and the others counted', () => {
  const traced = decided(Array.from({ length: 3_000 }, () => recordWith({ traceparent })));
  expect(traced.events).toHaveLength(2_048);
  expect(traced.omitted).toBe(3_000 - 2_048);
});
