import { describe, expect, test } from 'vitest';
import { waitsFor } from '../../../../relay/operations/dead-letters/letter.ts';
import { tokensOfPath } from '../../../../relay/operations/dead-letters/letter-path.ts';
import { shownThere, ValueTally, valueThere } from '../../../../relay/operations/dead-letters/value-there.ts';

const at = (path: string | null, payload: string | null, rest = {}) =>
  valueThere({ path, payload, isUnread: false, isLeftOut: false, ...rest }, (text) => text);

test.each([
  ['$', []],
  ['$.lines[3].price', ['lines', 3, 'price']],
  ['$.paid["shop.Card"].number', ['paid', 'shop.Card', 'number']],
  ['$.by[*].name', ['by', '*', 'name']],
  ['$..x', undefined],
  ['lines[0]', undefined],
  ['$.a[', undefined],
  [null, undefined],
])('the path %s has the tokens %j', (path, tokens) => {
  expect(tokensOfPath(path)).toEqual(tokens);
});

describe('the value at which an event was refused', () => {
  test.each([
    ['$.lines[1].quantity', '"2"'],
    ['$.id', '9223372036854775807'],
    ['$.total', '1.50'],
    ['$.none', 'null'],
    ['$.paid["shop.Card"].number', '7'],
    ['$.lines[0]', '{"quantity":"1"}'],
  ])('at %s is %s, as it is written', (path, text) => {
    const payload = `{"id": 9223372036854775807, "total": 1.50, "none": null, "paid": {"shop.Card": {"number": 7}},
      "lines": [{"quantity": "1"}, {"quantity": "2"}]}`;
    expect(at(path, payload)).toEqual({ state: 'value', text });
  });

  test.each([
    ['nothing', '$.a', '{}'],
    ['nothing', '$.a[0]', '{"a":{"0":1}}'],
    ['nothing', '$.a.length', '{"a":[1]}'],
    // An exact number is an object to JavaScript, and none to anybody else.
    ['nothing', '$.a.source', '{"a":1.50}'],
    ['nothing', '$.__proto__', '{}'],
    ['nothing', '$.a', null],
    ['no-path', null, '{}'],
    ['no-path', '$.by[*].name', '{"by":{"x":{"name":1}}}'],
    ['not-json', '$.a', '{"a":'],
    ['not-read', '$.a', `{"a":${'['.repeat(5_000)}${']'.repeat(5_000)}}`],
  ])('is %s at %s of what has none', (state, path, payload) => {
    expect(at(path, payload)).toEqual({ state });
  });

  test('is none where the payload is not at hand', () => {
    expect(at('$.a', null, { isUnread: true })).toEqual({ state: 'not-read' });
    expect(at('$.a', null, { isLeftOut: true })).toEqual({ state: 'left-out' });
  });

  test('is hidden from who may not see it', () => {
    const given = { path: '$.a', payload: '{"a":1}', isUnread: false, isLeftOut: false };
    expect(valueThere(given, () => null)).toEqual({ state: 'hidden' });
  });

  test('is cut in a list, and not within a character', () => {
    expect(shownThere({ state: 'value', text: 'x'.repeat(200) })).toMatchObject({ isCut: false });
    const shown = shownThere({ state: 'value', text: `${'x'.repeat(199)}😀` });
    expect(shown).toEqual({ state: 'value', text: 'x'.repeat(199), isCut: true });
  });
});

describe('values are counted', () => {
  test('with the five most frequent first', () => {
    const tally = new ValueTally();
    for (const text of ['"1"', '1', '1.0', '"1"', 'null', '2', '3', '"1"', '3']) tally.add(text);
    const { different, isMore, top } = tally.result;
    expect({ different, isMore }).toEqual({ different: 6, isMore: false });
    expect(top.map(({ text, count }) => [text, count])).toEqual([
      ['"1"', 3],
      ['3', 2],
      ['1', 1],
      ['1.0', 1],
      ['null', 1],
    ]);
  });

  test('apart where they differ only beyond what is shown', () => {
    const tally = new ValueTally();
    for (const end of ['a', 'b', 'a']) tally.add(`"${'x'.repeat(300)}${end}"`);
    expect(tally.result).toMatchObject({ different: 2, top: [{ count: 2, isCut: true }, { count: 1 }] });
  });

  test('up to 10,000, and then said to be more', () => {
    const tally = new ValueTally();
    for (let n = 0; n <= 10_000; n++) tally.add(String(n));
    tally.add('7');
    expect(tally.result).toMatchObject({
      different: 10_000,
      isMore: true,
      top: [{ text: '7', count: 2 }, {}, {}, {}, {}],
    });
  });
});

test.each([
  ['repair', 'open', {}],
  ['repair', 'open', { isOfParkedKey: true }],
  ['resubmit', 'open', { isFixed: true }],
  ['release', 'open', { isFixed: true, isOfParkedKey: true }],
  ['release-under-way', 'open', { isFixed: true, isOfParkedKey: true, isReleaseAsked: true }],
  ['release', 'parked', { code: 'KEY_PARKED', isOfParkedKey: true }],
  // Its topic was set aside once, and is not now: a release of its key stopped before it.
  ['release', 'parked', { code: 'TOPIC_PAUSED', isOfParkedKey: true }],
  ['resume', 'parked', { code: 'TOPIC_PAUSED', isOfParkedKey: true, isOfKeySetAside: true }],
  ['resume', 'parked', { code: 'KEY_PARKED', isOfParkedKey: true, isOfKeySetAside: true }],
  ['resume', 'open', { isFixed: true, isOfParkedKey: true, isOfKeySetAside: true }],
  ['repair', 'open', { isOfParkedKey: true, isOfKeySetAside: true }],
  // Its parking has ended without a release.
  ['resubmit', 'open', { code: 'KEY_PARKED' }],
  [null, 'released', { isFixed: true }],
] as const)('waits for %s: %s %o', (expected, status, given) => {
  const isNot = { isOfParkedKey: false, isOfKeySetAside: false, isReleaseAsked: false, isFixed: false };
  expect(waitsFor({ status, code: 'PAYLOAD_INVALID', ...isNot, ...given })).toBe(expected);
});
