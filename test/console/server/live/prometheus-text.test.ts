import { expect, test } from 'vitest';
import { parseSamples } from '../../../../console/server/live/prometheus-text.ts';

const parse = (text: string) =>
  parseSamples(text, () => true).map(({ name, labels, value }) => [name, { ...labels }, value]);

test('reads names, labels and values, and skips comments and what is no sample', () => {
  expect(
    parse('# HELP a b\n# TYPE a counter\na 1\n\nb{c="d",e="f"} 2.5e3 1700000000\nno sample here\n'),
  ).toEqual([
    ['a', {}, 1],
    ['b', { c: 'd', e: 'f' }, 2_500],
  ]);
});

test('labels may hold quotes, braces, backslashes and line breaks', () => {
  expect(parse('a{key="x\\"} 1 \\\\ \\n{",b="\\\\n"} 1')).toEqual([
    ['a', { key: 'x"} 1 \\ \n{', b: '\\n' }, 1],
  ]);
  const [sample] = parseSamples('a{__proto__="x"} 1', () => true);
  expect(Object.entries(sample!.labels)).toEqual([['__proto__', 'x']]);
});

test('infinite and undefined values are read as such', () => {
  expect(parse('a +Inf\nb -Inf\nc NaN')).toEqual([
    ['a', {}, Number.POSITIVE_INFINITY],
    ['b', {}, Number.NEGATIVE_INFINITY],
    ['c', {}, Number.NaN],
  ]);
});

test('only wanted samples are kept', () => {
  expect(parseSamples('a 1\nb 2', (name) => name === 'b')).toHaveLength(1);
});
