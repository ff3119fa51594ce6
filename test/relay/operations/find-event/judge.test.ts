import { expect, test } from 'vitest';
import type { FoundRow, Looked } from '../../../../relay/operations/find-event/found.ts';
import { judgeEvent } from '../../../../relay/operations/find-event/judge.ts';

const row: FoundRow = {
  id: 'a',
  aggregatetype: 'item',
  key: 'k',
  type: 'T',
  createdAt: '2026-01-01T00:00:00.000Z',
  table: 'outbox.event',
  xid: '1',
  committedAt: null,
  payloadBytes: 2,
  topic: 't',
  progress: 'later',
  fromMs: 0,
};
const window: Looked = {
  topic: 't',
  partition: 3,
  from: '10',
  to: '20',
  records: 5,
  begin: '2',
  stableEnd: '20',
  end: '20',
  stoppedBy: 'end',
};

function judged(looked: readonly Looked[], more: Partial<FoundRow> = {}, isKafkaRead = true) {
  return judgeEvent(
    { id: 'a', rows: [{ ...row, ...more }], letters: [], records: [], looked },
    {
      verdict: { text: 'Paused by anna.' },
      isKafkaRead,
      auditedAt: null,
      removedBeforeMs: null,
      transactions: [],
    },
  );
}

test('an event waits only where its partition was read from its commit to the end', () => {
  expect(judged([window])).toMatchObject({
    state: 'waiting',
    text: expect.stringContaining('Paused by anna'),
  });
  expect(judged([{ ...window, to: '15', stoppedBy: 'limit' }]).state).toBe('unclear');
  const later = { ...window, from: '20', to: '30', stableEnd: '30', end: '30' };
  expect(judged([{ ...window, stoppedBy: 'limit' }, later]).state).toBe('waiting');
  expect(judged([window, { ...later, from: '25' }]).state).toBe('unclear');
  expect(judged([]).state).toBe('unclear');
});

test('what was not read is said', () => {
  expect(judged([{ ...window, to: '15' }], { progress: 'covered' }).text).toContain(
    'not found in 5 records of t, partition 3 (offsets 10 to 15; older and newer ones were not read; Kafka has removed those before offset 2)',
  );
});

test('without Kafka nothing is said to wait or to be missing', () => {
  expect(judged([], {}, false).state).toBe('unclear');
  expect(judged([], { progress: 'covered' }, false).state).toBe('unclear');
});

test('an open Kafka transaction may hide it', () => {
  expect(judged([{ ...window, end: '22' }]).state).toBe('in-open-transaction');
});
