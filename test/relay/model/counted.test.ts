import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { count, counted } from '../../../relay/model/counted.ts';

const root = join(import.meta.dirname, '../../..');

test('one is singular, and all else plural', () => {
  expect([0, 1, 12_345].map((n) => counted(n, 'event'))).toEqual(['0 events', '1 event', '12,345 events']);
  expect([1, 2].map((n) => counted(n, 'key waits', 'keys wait'))).toEqual(['1 key waits', '2 keys wait']);
});

test('a number has its commas as Intl would set them', () => {
  const integers = [0, 7, 10, 999, 1_000, 12_345, 123_456, 1_234_567, Number.MAX_SAFE_INTEGER];
  for (const value of [...integers, ...integers.map((each) => -each || 0), 0.5, 1_234.5678, 1e21, Infinity])
    expect(count(value)).toBe(value.toLocaleString('en-US'));
});

test('no verb in the plural stands behind a number that may be one', () => {
  const verbs = /counted\((?:[^()]|\([^()]*\))*\)\} (?:wait|have|are|were|need|stay|do|go|come|stand)\b/g;
  const sources = ['relay', 'console'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.tsx?$/.test(name) && !name.includes('node_modules'))
      .map((name) => join(folder, name)),
  );
  expect(sources.length).toBeGreaterThan(500);
  const found = sources.flatMap((name) =>
    (readFileSync(join(root, name), 'utf8').match(verbs) ?? []).map((text) => `${name}: ${text}`),
  );
  expect(found).toEqual([]);
});
