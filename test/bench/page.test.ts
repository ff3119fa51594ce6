/** Where the figures of a run go. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { region, withFigures, withRegion } from '../../bench/page.ts';
import { report } from '../../bench/report.ts';
import { drainOf, measured } from './samples.ts';

const root = path.join(import.meta.dirname, '..', '..');
const machine = { cores: 2, postgres: '18.4', kafka: '4.3.1', loadBefore: 0.5 };
const dear = { ...drainOf(52_178), cost: { own: 30, walsender: 6, broker: 4.5, whole: 40.5 } };
const sample = report(measured(drainOf(104_384), dear), machine, { rounds: 5, events: 200_000 });

test('the five figures of the README are those of the page, and it stays short', async () => {
  const before = await readFile(path.join(root, 'README.md'), 'utf8');
  const readme = withFigures(before, sample);
  const page = region(sample);
  for (const figure of ['104,384', '52,178', '16', '40.5', '5']) {
    expect(readme).toMatch(new RegExp(` ${figure}[ .]`));
    expect(page).toContain(` ${figure} `);
  }
  expect(Buffer.byteLength(readme)).toBeLessThanOrEqual(12_000);
  // Another run finds the place again, and changes nothing else.
  expect(withFigures(readme, sample)).toBe(readme);
  const rest = (text: string) => text.split(/On (?:two|2) .*?\[Benchmark\]/s);
  expect(rest(readme)).toEqual(rest(before));
});

test('a run without one of the figures of the README is refused', async () => {
  const readme = await readFile(path.join(root, 'README.md'), 'utf8');
  expect(() => withFigures(readme, { ...sample, live: {} })).toThrow('this run has not');
  expect(() => withFigures('nothing', sample)).toThrow('no sentence');
});

test('the page keeps what is around its figures', async () => {
  const page = await readFile(path.join(root, 'docs', 'evidence', 'benchmark.md'), 'utf8');
  const written = withRegion(page, 'new');
  expect(written).toContain('<!-- bench -->\nnew\n<!-- /bench -->');
  expect(written.split('<!-- bench -->')[0]).toBe(page.split('<!-- bench -->')[0]);
  expect(() => withRegion('nothing', 'new')).toThrow('no region');
});

test('the page says what was measured, and on what', () => {
  const page = region(sample);
  expect(page).toContain('Postgres 18.4, Kafka 4.3.1');
  expect(page).toContain('5 rounds of 200000 events');
  expect(page).toContain('](bench.svg)');
  expect(page).toContain('](benchmark.json)');
});
