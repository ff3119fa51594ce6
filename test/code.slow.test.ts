/** The code itself: types, lint, and the borders between the rooms (biome.json), as everybody's check runs them. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const run = promisify(execFile);

async function outcome(command: string, ...args: string[]): Promise<string> {
  return run(process.execPath, [`node_modules/${command}`, ...args], { cwd: root }).then(
    () => 'clean',
    ({ stdout, stderr }: { stdout: string; stderr: string }) => `${stdout}${stderr}`,
  );
}

/** On one thread it takes two thirds of the CPU time: each of its threads checks for itself what the files share. */
const typesOf = (project: string) =>
  outcome('typescript/bin/tsc', '--noEmit', '--singleThreaded', '-p', project);

it('is typed without a fault', { timeout: 400_000 }, async () => {
  expect(await typesOf('tsconfig.json')).toBe('clean');
  expect(await typesOf('console/web')).toBe('clean');
  // Without what the oldest Node lacks.
  expect(await typesOf('tsconfig.build.json')).toBe('clean');
});

it('is clean of lint, and no room reaches past its border', { timeout: 400_000 }, async () => {
  expect(await outcome('@biomejs/biome/bin/biome', 'check', '.')).toBe('clean');
});
