import { describe, expect, test } from 'vitest';
import { compareRecord, type Reading } from '../../../relay/audit/compare-record.ts';
import type { EventRow } from '../../../relay/audit/read-rows.ts';

const row: EventRow = {
  id: 'e-1',
  aggregatetype: 'order',
  key: '42',
  type: 'Placed',
  payload: '{"total": 1.50}',
  headers: '{}',
};
const reading: Reading = { bytes: 'base64', namespace: '', format: 'json', headers: { type: 'type' } };
const fixed = { id: 'e-1', position: 'p' };

type Changes = {
  readonly row?: Partial<EventRow>;
  readonly reading?: Partial<Reading>;
  readonly value?: string | null;
};

function compare(headers: Record<string, string>, { value = row.payload, ...changes }: Changes = {}) {
  const { difference, isOfOtherSettings } = compareRecord(
    {
      key: Buffer.from('42'),
      headers: Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)] as const),
      value: value === null ? null : { format: 'json', text: Buffer.from(value) },
    },
    { ...row, ...changes.row },
    { ...reading, ...changes.reading },
  );
  return difference === undefined
    ? isOfOtherSettings
      ? 'other settings'
      : 'same'
    : `${difference.path}: ${difference.reason}`;
}

describe('a value in JSON', () => {
  const ours = { ...fixed, type: 'Placed' };

  test('is the text of the payload, to the byte', () => {
    expect(compare(ours)).toBe('same');
    for (const value of ['{"total":1.50}', '{"total": 1.5}', '{"total": 1.51}', '{"total": 1.50} ', ''])
      expect(compare(ours, { value })).toBe('$: not the text of the payload');
  });

  test('is right in a topic that holds Avro by the settings now, and said to be of others', () => {
    expect(compare(ours, { reading: { format: 'avro' } })).toBe('other settings');
    expect(compare(ours, { reading: { format: 'avro' }, value: '{"total": 2}' })).toBe(
      '$: not the text of the payload',
    );
  });

  test('belongs to no row without a payload, and a row with one needs it', () => {
    expect(compare(ours, { row: { payload: null } })).toBe(
      '$: the record has a value, but the row has no payload',
    );
    expect(compare(ours, { value: null })).toBe('$: the record has no value, but the row has a payload');
  });
});

describe('headers with fields of the row', () => {
  const headers = { eventType: 'type', aggregateId: 'aggregateid' } as const;
  const named = { reading: { headers } };
  const ours = { ...fixed, eventType: 'Placed', aggregateId: '42' };

  test('have the values of the row', () => {
    expect(compare(ours, named)).toBe('same');
    expect(compare({ ...ours, eventType: 'Paid' }, named)).toBe('header eventType: a different type');
    expect(compare({ ...ours, aggregateId: '43' }, named)).toBe(
      'header aggregateId: a different aggregateid',
    );
  });

  test('may have had other names, with the same values', () => {
    expect(compare({ ...fixed, type: 'Placed' }, named)).toBe('other settings');
    expect(compare(fixed, named)).toBe('other settings');
    expect(compare({ ...fixed, type: 'Paid' }, named)).toBe('headers: different headers');
    expect(compare({ ...fixed, eventType: 'Placed' })).toBe('other settings');
  });

  test('under the default, the type is there under its name, or another says that the settings were others', () => {
    expect(compare({ ...fixed, type: 'Placed' })).toBe('same');
    expect(compare(fixed)).toBe('header type: a different type');
    expect(compare({ ...fixed, type: 'Paid' })).toBe('header type: a different type');
    expect(compare({ ...fixed, type: 'Placed', extra: 'x' })).toBe('headers: different headers');
  });

  test('are told from those of the row, which must be there', () => {
    const own = { row: { headers: '{"trace":"t","type":"x","n":1.50}' } };
    expect(compare({ ...fixed, type: 'Placed', trace: 't', n: '1.5' }, own)).toBe('same');
    expect(compare({ ...fixed, type: 'Placed', n: '1.50' }, own)).toBe('headers: different headers');
    expect(compare({ ...fixed, type: 'x', trace: 't', n: '1.50' }, own)).toBe(
      'header type: a different type',
    );
    // `trace` was the relay's name for the key, or the other way round.
    expect(compare({ ...fixed, type: 'Placed', trace: '42', n: '1.50' }, own)).toBe('other settings');
    const traced = { ...own, reading: { headers: { trace: 'aggregateid', type: 'type' } as const } };
    expect(compare({ ...fixed, type: 'Placed', trace: 't', n: '1.50' }, traced)).toBe('other settings');
    expect(compare({ ...fixed, type: 'Placed', trace: 'u', n: '1.50' }, traced)).toBe(
      'header trace: a different aggregateid',
    );
  });
});
