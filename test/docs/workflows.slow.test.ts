/** What the linters of workflows say of them. */
import { execFile } from 'node:child_process';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { programOrSkip } from '../support/tools.ts';

const run = promisify(execFile);
const cwd = join(import.meta.dirname, '../..');
const workflows = globSync('.github/workflows/*.yml', { cwd });

test('actionlint finds nothing', async (context) => {
  const actionlint = programOrSkip(context, 'actionlint');
  // Without the linters of shell and Python, which a machine may have or not.
  const { stdout } = await run(actionlint, ['-shellcheck=', '-pyflakes=', ...workflows], { cwd });
  expect(stdout).toBe('');
});

test('zizmor finds nothing that matters', async (context) => {
  const zizmor = programOrSkip(context, 'zizmor');
  const options = [
    '--offline',
    '--persona=pedantic',
    '--min-severity=medium',
    '--format=plain',
    '--no-progress',
  ];
  await run(zizmor, [...options, ...workflows, 'action.yml'], { cwd }); // rejects with what it found
});
