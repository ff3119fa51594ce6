/** The code itself, as far as reading it is enough. */
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const relay = fileURLToPath(new URL('../relay/', import.meta.url));

test('every file of the relay opens with a comment that says what it owns', async () => {
  const files = (await readdir(relay, { recursive: true })).filter((file) => file.endsWith('.ts'));
  expect(files.length).toBeGreaterThan(100);
  const without: string[] = [];
  for (const file of files) {
    const text = await readFile(relay + file, 'utf8');
    if (!text.replace(/^#!.*\n/, '').startsWith('/**')) without.push(file);
  }
  expect(without).toEqual([]);
});
