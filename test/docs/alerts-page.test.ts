/** What the page of the alerts names on the dashboard is there under that name. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { rows } from '../../deploy/grafana/panels.ts';

const page = await readFile(join(import.meta.dirname, '../../docs/guides/alerts.md'), 'utf8');

/** Names in italics begin with a capital. Those of pages are elsewhere, and a cause names the label `owner` that it goes with. */
const named = [...page.matchAll(/(?<before>\w* ?)(?<!\*)\*(?<name>[A-Z][^*]*)\*(?!\*)(?! \(`owner)/g)]
  .map(({ groups }) => groups as { before: string; name: string })
  .filter(({ before }) => before !== 'page ');

test('each row of the dashboard that the page of the alerts names is there', () => {
  const titles = rows.map(({ title }) => title);
  const inProse = named.filter(({ before }) => before === 'row ').map(({ name }) => name);
  expect(inProse.length).toBeGreaterThan(1);
  expect(inProse.filter((name) => !titles.includes(name))).toEqual([]);
});

test('each panel that it names is there', () => {
  const titles = rows.flatMap(({ panels }) => panels.map(({ title }) => title));
  const inProse = named.filter(({ before }) => before !== 'row ').map(({ name }) => name);
  expect(inProse.length).toBeGreaterThan(2);
  expect(inProse.filter((name) => !titles.includes(name))).toEqual([]);
});
