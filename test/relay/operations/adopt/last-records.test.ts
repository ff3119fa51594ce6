import { expect, test } from 'vitest';
import { partitionOf } from '../../../../relay/encode/murmur2.ts';
import { LastRecords } from '../../../../relay/operations/adopt/last-records.ts';
import { lostHeaders } from '../../../../relay/operations/adopt/placed-headers.ts';

const record = (partition: number, key: string | null, names: readonly string[] = ['id']) => ({
  topic: 'orders',
  partition,
  key: key === null ? null : Buffer.from(key),
  headers: names.map((name) => [name, null] as const),
});

test('the last record of each partition tells whether keys lead where the connector writes', () => {
  const own = partitionOf('a', 3);
  const other = (own + 1) % 3;
  const last = new LastRecords();
  last.note('1', record(other, 'a'));
  last.note('2', record(own, 'a'));
  expect(last.elsewhere(new Map([['orders', 3]]))).toEqual(['1']);
  // A later one counts, and one without a key says nothing.
  last.note('3', record(other, null));
  expect(last.elsewhere(new Map([['orders', 3]]))).toEqual([]);
  // Of a topic that is gone nobody knows.
  last.note('4', record(other, 'a'));
  expect(last.elsewhere(new Map())).toEqual([]);
});

test('headers are lost that neither the settings nor the rows give, those about the connector itself left out', () => {
  const last = new LastRecords();
  last.note('1', record(0, 'a', ['id', 'old']));
  last.note('2', record(0, 'a', ['id', 'eventType', 'tenant', '__debezium.context.taskId', 'traceparent']));
  last.note('3', record(1, 'a', ['id', 'region']));
  const records = { headers: { eventType: 'type' } } as const;
  const lost = (own: readonly string[]) =>
    lostHeaders(last.headerNames, new Set(own), { records } as unknown as Parameters<typeof lostHeaders>[2]);
  expect(lost([])).toEqual(['tenant', 'region']);
  expect(lost(['tenant'])).toEqual(['region']);
});
