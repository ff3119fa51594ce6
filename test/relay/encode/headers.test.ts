import { describe, expect, test } from 'vitest';
import { buildHeaders, HeadersInvalid, PositionPrinter } from '../../../relay/encode/headers.ts';
import { formatPosition } from '../../../relay/model/position.ts';

const row = { id: 'i', type: 'Placed', aggregatetype: 'order', aggregateid: 'o-1' };
const build = (own: string | null) => buildHeaders({ ...row, headers: own }, 'p');
const built = (own: string | null) => Object.entries(build(own));
const ours = [
  ['id', 'i'],
  ['type', 'Placed'],
  ['position', 'p'],
];

describe('the headers of a record', () => {
  test.each([null, '{}', ' { } '])('are ours where the row has none: %j', (own) => {
    expect(built(own)).toEqual(ours);
  });

  test('hold every name of the row’s own, `__proto__` too', () => {
    expect(built('{"__proto__":"x","a":"b"}')).toEqual([...ours, ['__proto__', 'x'], ['a', 'b']]);
  });

  test('are ours, then the row’s own in their order, as text', () => {
    const own = '{"traceparent":"00-ab","correlation_id":"c","attempt":3,"urgent":true,"empty":"","ü":"💶"}';
    expect(built(own)).toEqual([
      ...ours,
      ['traceparent', '00-ab'],
      ['correlation_id', 'c'],
      ['attempt', '3'],
      ['urgent', 'true'],
      ['empty', ''],
      ['ü', '💶'],
    ]);
  });

  test('a row cannot forge ours, in whatever place', () => {
    expect(built('{"position":"x","a":"1","id":"x","type":"x","id":"y"}')).toEqual([...ours, ['a', '1']]);
  });

  test('null leaves a header out', () => {
    expect(built('{"a":null,"b":"1"}')).toEqual([...ours, ['b', '1']]);
  });

  test.each([
    'canary',
    '[]',
    '"canary"',
    '1',
    'null',
    '{"a":{"canary":1}}',
    '{"a":["canary"]}',
    '{"a":canary}',
  ])('%j is refused, without being quoted', (own) => {
    expect(() => build(own)).toThrow(HeadersInvalid);
    expect(() => build(own)).toThrow(/^(?!.*canary)/s);
  });

  test('a header named __proto__ changes no prototype', () => {
    const headers = build('{"__proto__":"x","toString":"y"}');
    expect(Object.getPrototypeOf(headers)).toBe(Object.prototype);
    expect(Object.entries(headers)).toContainEqual(['toString', 'y']);
  });
});

test('the position header of each event is its formatted position, whatever transaction it is of', () => {
  const positions = new PositionPrinter();
  for (const commitLsn of [0x16_b374_d848n, 1n, 0x16_b374_d848n])
    for (const ordinal of [0, 1, 15, 16, 70_000])
      expect(positions.print({ commitLsn, ordinal })).toBe(formatPosition(commitLsn, ordinal));
});
