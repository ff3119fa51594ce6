/** The code itself, as far as reading it is enough. */
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const relay = fileURLToPath(new URL('../relay/', import.meta.url));
/** Of people's processes. */
const folders = ['bin', 'console', 'demo', 'relay', 'stack'].map((name) =>
  fileURLToPath(new URL(`../${name}/`, import.meta.url)),
);

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

test('no signal is one of several by AbortSignal.any, which loses time limits on Node 20 and 22', async () => {
  const using: string[] = [];
  for (const folder of folders)
    for (const file of await readdir(folder, { recursive: true })) {
      if (!/\.[jt]sx?$/.test(file) || /(^|\/)(dist|node_modules)\//.test(file)) continue;
      if ((await readFile(folder + file, 'utf8')).includes('AbortSignal.any(')) using.push(file);
    }
  expect(using).toEqual([]);
});
