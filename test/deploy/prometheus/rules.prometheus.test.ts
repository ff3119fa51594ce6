/** What Prometheus itself says of the alert rules and of their unit tests. */
import { execFile } from 'node:child_process';
import { globSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { programsOrSkip } from '../../support/prometheus.ts';
import { folder, rulesFile } from './rules.ts';

const run = promisify(execFile);

test('promtool finds no fault in the rules', async (context) => {
  const { promtool } = await programsOrSkip(context);
  const { stdout } = await run(promtool, ['check', 'rules', '--lint=all', '--lint-fatal', rulesFile]);
  expect(stdout).toMatch(/SUCCESS: \d+ rules found/);
});

test('each alert fires beyond its border and not at it: the unit tests of the rules', async (context) => {
  const { promtool } = await programsOrSkip(context);
  const files = globSync('*.test.yaml', { cwd: folder });
  expect(files.length).toBeGreaterThan(1);
  await run(promtool, ['test', 'rules', ...files], { cwd: folder, timeout: 60_000 }); // rejects with what failed
});
