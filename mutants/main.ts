/**
 * `npm run mutants`: breaks a copy of the relay in one place after the other, and says which invariant it broke and who
 * noticed: the simulation, or a test on real servers. Exit code 1 if one survives. `npm run mutants -- progress outage` runs those with such a word in their name.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from '../stack/cache.ts';
import { type Mutant, mutants } from './mutants.ts';

const root = join(import.meta.dirname, '..');
const copy = join(cacheFolder(), 'mutants');
/** Not copied: large, or no part of the code. */
const left = new Set(['node_modules', '.git', '.cache', 'target']);

type Outcome = { readonly caughtBy: string | undefined; readonly seconds: number };

function prepare(): void {
  rmSync(copy, { recursive: true, force: true });
  for (const part of [
    'relay',
    'stack',
    'demo',
    'simulate',
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

/** As many as it takes for the rarest of them; most are caught in the first ten. */
const seeds = 600;

async function tryMutant(mutant: Mutant): Promise<Outcome> {
  const { file, find, replace } = mutant;
  const target = join(copy, file);
  const source = readFileSync(target, 'utf8');
  if (source.split(find).length !== 2) throw new Error(`${file} does not hold exactly once: ${find}`);
  writeFileSync(
    target,
    source.replace(find, () => replace),
  );
  const begunMs = performance.now();
  const caughtBy = await (mutant.tests === 'simulation' ? simulate(mutant) : runTests(mutant, mutant.tests));
  writeFileSync(target, source);
  return { caughtBy, seconds: secondsSince(begunMs) };
}

async function runTests({ only, invariants }: Mutant, tests: readonly string[]): Promise<string | undefined> {
  const filter = only === undefined ? [] : ['-t', only];
  // A broken relay often shows by an event that never comes: 20 s is five times what the slowest of these tests takes.
  const { code, output } = await run('npx', ['vitest', 'run', '--testTimeout', '20000', ...tests, ...filter]);
  const failed = output.split('\n').find((line) => line.includes('×'));
  if (code !== 0 && failed === undefined) throw new Error(`the tests did not run:\n${output}`);
  if (code === 0) return undefined;
  return `${invariants.join(', ')}: ${failed?.replace(/^[\s×]+|\s+\d+ms$/g, '') ?? ''}`;
}

async function simulate({ invariants }: Mutant): Promise<string | undefined> {
  const { code, output } = await run('npx', ['node', 'simulate/main.ts', '--seeds', String(seeds)]);
  const [, seed, broken, meaning] = /^seed (\d+) broke (\w+): (.*)$/m.exec(output) ?? [];
  if (code !== 0 && broken === undefined) throw new Error(`the simulation did not run:\n${output}`);
  if (broken === undefined) return undefined;
  if (!invariants.some((invariant) => invariant === broken))
    throw new Error(`was expected to break ${invariants.join(' or ')}, and broke ${broken}:\n${output}`);
  return `${broken}: ${meaning} (simulation, seed ${seed})`;
}

/** Runs in a process group of its own, for a test that is cut short leaves its relays behind. */
async function run(program: string, args: readonly string[]): Promise<{ code: number; output: string }> {
  const child = spawn(program, args, {
    cwd: copy,
    env: { ...process.env, OUTBOX_RELAY_CACHE: cacheFolder(), NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  try {
    process.kill(-child.pid!, 'SIGKILL');
  } catch {
    // Nothing was left.
  }
  return { code: code ?? 1, output };
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
