import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { describeSummary, summarise } from '../../demo/summary.ts';
import { LineView, picture, type Snapshot, sparkline } from '../../demo/view.ts';
import { noFaults } from './verdict.ts';

const snapshot: Snapshot = {
  elapsedMs: 12_345,
  phase: 'reading to the end of the topics',
  writers: 8,
  relay: { state: 'streaming', pid: 4_194_304, kills: 123 },
  topics: 3,
  committed: 1_234_567,
  published: 1_234_000,
  outstanding: 567,
  rolledBack: 123_456,
  deadLetters: 12_345,
  latenciesMs: [12_345.6, 7.25, 99.9],
  last: ['ShipmentDispatched 12,345 ms  key "Straße 7/№ 4 and so on, far beyond the edge of the screen"'],
};

const plain = (_style: string, text: string) => text;

test('the picture fits 80 columns, with numbers larger than a demo will show', () => {
  const lines = picture(snapshot, Array(40).fill(12_345), plain);
  for (const line of lines) expect([...line].length, line).toBeLessThanOrEqual(80);
  expect(lines.join('\n')).toContain('orders');
});

test('the summary fits 80 columns', () => {
  const verdict = {
    ...noFaults,
    committed: 12_345_678,
    published: 12_345_678,
    deadLetters: 1,
    rolledBack: 2,
  };
  const summary = summarise({
    verdict,
    latenciesMs: [1_234.56, 12_345.67, 60_000],
    elapsedMs: 86_400_000,
    crashes: 1_000,
    seed: 4_294_967_295,
  });
  for (const line of describeSummary(summary, false)) expect(line.length, line).toBeLessThanOrEqual(80);
});

test('where a figure that should be 0 is not, the summary shows it in red and says so', () => {
  const verdict = {
    ...noFaults,
    committed: 2,
    published: 1,
    missing: 1,
    deadLetters: 0,
    rolledBack: 0,
  };
  const summary = summarise({ verdict, latenciesMs: [1], elapsedMs: 1_000, crashes: 0, seed: 1 });
  const lines = describeSummary(summary, true);
  const red = '\u001b[31m';
  expect(lines.filter((line) => line.includes(red))).toHaveLength(2);
  expect(lines.find((line) => line.includes('missing'))).toContain(red);
  expect(lines.at(-1)).toContain('The promise is broken');
});

test('the README shows what the demo prints', async () => {
  const readme = await readFile(join(import.meta.dirname, '../../README.md'), 'utf8');
  const [, shown] = /\n## The demo\n.*?```text\n(.*?)\n```/s.exec(readme)!;
  const summary = summarise({
    verdict: { ...noFaults, committed: 5, published: 5, deadLetters: 1, rolledBack: 2 },
    latenciesMs: [20],
    elapsedMs: 1_000,
    crashes: 0,
    seed: 1,
    evolved: { withNewField: 1, readByOld: 1, readByNew: 1, unreadable: 0, refused: 'a consumer' },
  });
  const words = (text: string) => text.replace(/\d[\d,.]*/g, '#').replace(/ +/g, ' ');
  expect(words(shown!)).toBe(words(describeSummary(summary, false).join('\n')));
});

test('a sparkline has a bar a value, the highest one full', () => {
  expect(sparkline([0, 50, 100])).toBe('▁▅█');
  expect(sparkline([])).toBe('');
});

test('without a terminal there is a line every two seconds, with the rate since the last one', () => {
  let written = '';
  const view = new LineView((text) => {
    written += text;
  });
  view.tick({ ...snapshot, elapsedMs: 1_999, published: 1_000 });
  expect(written).toBe('');
  view.tick({ ...snapshot, elapsedMs: 2_000, published: 1_000 });
  view.tick({ ...snapshot, elapsedMs: 4_000, published: 1_500 });
  expect(written.trimEnd().split('\n')).toHaveLength(2);
  expect(written).toContain('1,000 received (500/s)');
  expect(written).toContain('1,500 received (250/s)');
});
