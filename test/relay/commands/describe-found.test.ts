import { expect, test } from 'vitest';
import { describeFound } from '../../../relay/commands/describe-found.ts';
import type { Found } from '../../../relay/operations/find-event/found.ts';
import { allRead } from '../operations/find-event/all-read.ts';

const nothing: Found = {
  at: '2026-01-02T03:04:05.678Z',
  events: [],
  hasMore: false,
  next: null,
  notes: ['no row has the id 7'],
  looked: [],
  unread: [],
  absent: [],
  missing: allRead,
  relay: null,
};

test('nothing is said to be found only of what was read', () => {
  expect(describeFound(nothing)).toBe('Nothing was found.\n  no row has the id 7');
  const denied = { code: 'POSTGRES_UNAUTHORIZED', message: 'wrong password', hint: 'Correct it.' } as const;
  const away = {
    code: 'KAFKA_UNAVAILABLE',
    message: 'no broker answered',
    hint: 'Check the network.',
  } as const;
  const missing = { ...allRead, rows: denied, letters: denied, records: away };
  expect(describeFound({ ...nothing, missing })).toBe(
    [
      'Nothing was found in what could be read.\n  no row has the id 7',
      '! Not read: the outbox table, the dead letters: POSTGRES_UNAUTHORIZED: wrong password\n  Correct it.',
      '! Not read: Kafka: KAFKA_UNAVAILABLE: no broker answered\n  Check the network.',
    ].join('\n\n'),
  );
});
