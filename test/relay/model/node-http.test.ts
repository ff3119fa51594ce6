import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const commands = path.join(import.meta.dirname, '../../../relay/commands');

test('no command loads undici, which takes 60 ms at each start, but the console with its own server', async () => {
  const files = (await readdir(commands)).filter((file) => file.endsWith('.ts') && file !== 'console.ts');
  const script = `
    for (const file of ${JSON.stringify(files)}) await import(${JSON.stringify(`${commands}/`)} + file);
    console.log(process.moduleLoadList.filter((name) => name.includes('undici')).join());`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
  expect(files).toContain('run.ts');
  expect(stdout.trim()).toBe('');
});
