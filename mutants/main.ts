/**
 * `npm run mutants`: breaks a copy of the relay in one place after the other, and says which test noticed. Exit code 1 if
 * one survives. `npm run mutants -- progress outage` runs those with such a word in their name.
 */
import { execFile } from 'node:child_process';
import { cpSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from '../stack/cache.ts';
import { type Mutant, mutants } from './mutants.ts';

const root = join(import.meta.dirname, '..');
const copy = join(cacheFolder(), 'mutants');
/** Not copied: large, or no part of the code. */
const left = new Set(['node_modules', '.git', '.cache', 'target']);
const run = promisify(execFile);

type Outcome = { readonly caughtBy: string | undefined; readonly seconds: number };

function prepare(): void {
  rmSync(copy, { recursive: true, force: true });
  for (const part of [
    'relay',
    'stack',
    'demo',
    'test',
    'migrations',
    'schemas',
    'package.json',
    'vitest.config.ts',
    'tsconfig.json',
  ])
    cpSync(join(root, part), join(copy, part), {
      recursive: true,
      filter: (file) => !left.has(file.split('/').at(-1) ?? ''),
    });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
}

async function tryMutant({ file, find, replace, tests, only }: Mutant): Promise<Outcome> {
  const target = join(copy, file);
  const source = readFileSync(target, 'utf8');
  if (source.split(find).length !== 2) throw new Error(`${file} does not hold exactly once: ${find}`);
  writeFileSync(
    target,
    source.replace(find, () => replace),
  );
  const begunMs = performance.now();
  try {
    const filter = only === undefined ? [] : ['-t', only];
    // A broken relay often shows by an event that never comes: 20 s is five times what the slowest of these tests takes.
    await run('npx', ['vitest', 'run', '--testTimeout', '20000', ...tests, ...filter], {
      cwd: copy,
      env: { ...process.env, OUTBOX_RELAY_CACHE: cacheFolder(), NO_COLOR: '1' },
      maxBuffer: 64 * 1024 * 1024,
    });
    return { caughtBy: undefined, seconds: secondsSince(begunMs) };
  } catch (error) {
    const { stdout } = error as { stdout?: string };
    const failed = stdout?.split('\n').find((line) => line.includes('×'));
    if (failed === undefined) throw error;
    return { caughtBy: failed.replace(/^[\s×]+|\s+\d+ms$/g, ''), seconds: secondsSince(begunMs) };
  } finally {
    writeFileSync(target, source);
  }
}

function secondsSince(ms: number): number {
  return Math.round((performance.now() - ms) / 1000);
}

const words = process.argv.slice(2);
const chosen = mutants.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
prepare();
let survivors = 0;
for (const mutant of chosen) {
  const { caughtBy, seconds } = await tryMutant(mutant);
  if (caughtBy === undefined) survivors += 1;
  console.log(
    `${caughtBy === undefined ? 'SURVIVED' : 'caught  '}  ${mutant.promise.padEnd(14)}  ${mutant.name} (${seconds} s)`,
  );
  if (caughtBy !== undefined) console.log(`            by: ${caughtBy}`);
}
rmSync(copy, { recursive: true, force: true });
console.log(`${chosen.length - survivors} caught, ${survivors} survived`);
process.exitCode = survivors === 0 ? 0 : 1;
