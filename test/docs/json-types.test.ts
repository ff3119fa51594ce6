/** The types that the page of commands names for `--json`. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const page = join(import.meta.dirname, '../../docs/reference/commands.md');

test('each type is exported by the file that it links to', () => {
  const links = [...readFileSync(page, 'utf8').matchAll(/\[([A-Z]\w+)\]\((\S+\.ts)\)/g)];
  expect(links.length).toBeGreaterThan(10);
  for (const [, name, file] of links)
    expect(readFileSync(join(page, '..', file!), 'utf8')).toMatch(new RegExp(`export type ${name}\\b`));
});
