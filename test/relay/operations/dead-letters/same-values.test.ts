import { expect, test } from 'vitest';
import { SameValues } from '../../../../relay/operations/dead-letters/same-values.ts';

const looked = (patch: string, ...events: [payload: string | null, ...places: string[]][]) => {
  const sameValues = new SameValues(patch, (text) => text);
  for (const [payload, ...places] of events) sameValues.look(payload, places);
  return sameValues.result;
};
const setN = '[{"op":"replace","path":"/n","value":1}]';
const addN = '[{"op":"add","path":"/n","value":1}]';

test('one value in place of different ones is warned of', () => {
  expect(looked(setN, ['{"n":"1"}'], ['{"n":"2"}'], ['{"n":"1"}'])).toEqual([
    {
      operation: 0,
      path: '/n',
      events: 3,
      withoutOne: 0,
      different: 2,
      isMore: false,
      values: [
        { text: '"1"', isCut: false, count: 2 },
        { text: '"2"', isCut: false, count: 1 },
      ],
      warning: 'sets the same value in 3 events that have 2 different values there now',
    },
  ]);
});

test('one value in place of one, or of none, is not', () => {
  expect(looked(setN, ['{"n":"1"}'], ['{"n":"1"}'])).toMatchObject([{ different: 1, warning: null }]);
  expect(looked(addN, ['{}'], ['{}'])).toMatchObject([
    { events: 2, withoutOne: 2, different: 0, warning: null },
  ]);
});

test('a default that also replaces what others hold is', () => {
  expect(looked(addN, ['{}'], ['{"n":7}'])).toMatchObject([
    { warning: 'sets the same value in 2 events that have one value there now, or none (1)' },
  ]);
});

test('numbers from 1,000 on get a comma', () => {
  const events = Array.from({ length: 1_234 }, (_, n): [string] => [n < 1_000 ? '{}' : `{"n":${n % 2}}`]);
  expect(looked(addN, ...events)).toMatchObject([
    {
      warning: 'sets the same value in 1,234 events that have 2 different values there now, or none (1,000)',
    },
  ]);
});

test('what a test leaves out, what is not JSON and what has no such field is not counted', () => {
  const tested = `[{"op":"test","path":"/n","value":"1"},${setN.slice(1)}`;
  expect(looked(tested, ['{"n":"1"}'], ['{"n":"2"}'], ['{"n":'], ['{}'], [null])).toMatchObject([
    { operation: 1, events: 1, different: 1, warning: null },
  ]);
});

test('nothing is written over where a value is added to a list, moved or converted', () => {
  const document = '{"n":"1","l":[1,2]}';
  for (const patch of [
    '[{"op":"add","path":"/l/0","value":1}]',
    '[{"op":"add","path":"/l/-","value":1}]',
    '[{"op":"move","from":"/n","path":"/m"}]',
    '[{"op":"convert","path":"/n","to":"number"}]',
  ])
    expect(looked(patch, [document])).toEqual([]);
});

test('with * each element counts, and each event once', () => {
  const patch = '[{"op":"replace","path":"/l/*/n","value":1}]';
  const document = '{"l":[{"n":"1"},{"n":2},{"n":"3"}]}';
  expect(looked(patch, [document, '$.l[0].n', '$.l[2].n'], [document, '$.l[0].n'])).toMatchObject([
    { events: 2, different: 2, warning: expect.stringContaining('in 2 events that have 2 different values') },
  ]);
});

test('whoever may not see values does not hear whether they differ', () => {
  const sameValues = new SameValues(setN, undefined);
  sameValues.look('{"n":"1"}', []);
  sameValues.look('{"n":"2"}', []);
  expect(sameValues.result).toMatchObject([
    {
      events: 2,
      different: null,
      values: null,
      warning:
        'sets the same value in 2 events; whether they have different values there now is not shown to you',
    },
  ]);
});
