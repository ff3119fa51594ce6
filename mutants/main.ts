/**
 * `npm run mutants`: breaks a copy of the relay, one place at a time. Reports which invariant broke and what noticed it: the
 * simulation, the chaos run, or a test. Exits with 1 if a mutant survives.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { dropDatabase, withClient } from '../harness/database.ts';
import { ignoreNegativeTimeouts } from '../relay/connect/kafkajs-warnings.ts';
import { cacheFolder } from '../stack/cache.ts';
import { isAlive } from '../stack/run.ts';
import { type Stack, startStack } from '../stack/stack.ts';
import { type Mutant, mutants } from './mutants.ts';
import { page, rowsOf } from './page.ts';

const root = join(import.meta.dirname, '..');
const copies = join(cacheFolder(), 'mutant-runs');
/** By the process that breaks it: several runs may go on at once. */
const copy = join(copies, String(process.pid));
/** Not copied, because large or not part of the code. */
const left = new Set(['node_modules', '.git', '.cache', 'target']);

type Outcome = {
  readonly caughtBy: string | undefined;
  /** Why nobody can say whether it is caught, such as another invariant that broke. */
  readonly failure?: string;
  readonly seconds: number;
};

function prepare(): void {
  mkdirSync(copies, { recursive: true });
  // Those of runs that were ended before they could remove them.
  for (const name of readdirSync(copies))
    if (name === String(process.pid) || !isAlive(Number(name)))
      rmSync(join(copies, name), { recursive: true, force: true });
  for (const part of [
    'bin',
    'console',
    'relay',
    'stack',
    'harness',
    'chaos',
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

let stack: Promise<Stack> | undefined;

/** One start of the servers for all mutants; it takes longer than most of their tests. */
async function sharedServers(): Promise<NodeJS.ProcessEnv> {
  stack ??= startStack({ purpose: 'test', onProgress: (line) => console.error(`# ${line}`) });
  const { databaseUrl, brokers, registryUrl } = await stack;
  return { DATABASE_URL: databaseUrl, KAFKA_BROKERS: brokers.join(','), SCHEMA_REGISTRY_URL: registryUrl };
}

/** What a test that was ended leaves behind: databases with their slots, of which a server has few. */
async function sweep(): Promise<void> {
  const { postgres } = (await stack) ?? {};
  if (postgres === undefined) return; // others use it too
  const { rows } = await withClient(postgres.url, (client) =>
    client.query<{ datname: string }>(
      `select datname from pg_database where datname not in ('postgres', 'template0', 'template1')`,
    ),
  );
  for (const { datname } of rows) await dropDatabase(postgres.url, datname);
}

/** Enough for the mutant that is hardest to catch; most are caught in the first ten. */
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
  try {
    const caughtBy = await catcherOf(mutant);
    return { caughtBy, seconds: secondsSince(begunMs) };
  } catch (error) {
    // The others are tried all the same: a whole run takes most of an hour.
    return { caughtBy: undefined, failure: (error as Error).message, seconds: secondsSince(begunMs) };
  } finally {
    writeFileSync(target, source);
  }
}

/** Undefined if one of the required checks does not notice the mutant. */
async function catcherOf(mutant: Mutant): Promise<string | undefined> {
  const caughtBy = await catcherAmong(mutant);
  if (caughtBy === undefined || mutant.simulated === undefined) return caughtBy;
  const simulated = await simulate(mutant.simulated);
  return simulated === undefined ? undefined : `${caughtBy}; ${simulated}`;
}

function catcherAmong(mutant: Mutant): Promise<string | undefined> {
  const { tests } = mutant;
  if (tests === 'simulation') return simulate(mutant.invariants);
  return tests === 'chaos' ? disturb(mutant) : runTests(mutant, tests);
}

/** Runs against its own servers, with faults that an unbroken relay survives. */
async function disturb({ only, invariants }: Mutant): Promise<string | undefined> {
  const filter = only === undefined ? [] : ['--faults', only];
  const { code, output } = await run('npx', ['node', 'chaos/main.ts', '--once', '--seed', '1', ...filter]);
  const broken = [...output.matchAll(/^ +BROKEN (I\d+) /gm)].map(([, invariant]) => invariant);
  if (code !== 0 && broken.length === 0) throw new Error(`the chaos run did not run:\n${output}`);
  const expected = invariants.find((invariant) => broken.includes(invariant));
  if (code !== 0 && expected === undefined)
    throw new Error(`was expected to break ${invariants.join(' or ')}:\n${output}`);
  return expected === undefined ? undefined : `${expected}: chaos, ${only ?? 'any fault'}`;
}

async function runTests({ only, invariants }: Mutant, tests: readonly string[]): Promise<string | undefined> {
  const filter = only === undefined ? [] : ['-t', only];
  // A broken relay often shows as an event that never arrives. 20 s is five times what the slowest of these tests takes.
  const needsServers = tests.some((test) => /\.(pg|kafka|registry|stack|browser)\.test\.ts$/.test(test));
  const env = needsServers ? await sharedServers() : {};
  const args = ['vitest', 'run', '--testTimeout', '20000', ...tests, ...filter];
  const { code, output } = await run('npx', args, env);
  if (needsServers) await sweep();
  const failed = output.split('\n').find((line) => line.includes('×'));
  if (code !== 0 && failed === undefined) throw new Error(`the tests did not run:\n${output}`);
  if (code === 0) return undefined;
  // A mutant of `verify` or `recover` alone breaks no invariant of the stream.
  const broken = invariants.length === 0 ? '' : `${invariants.join(', ')}: `;
  return `${broken}${failed?.replace(/^[\s×]+|\s+\d+ms$/g, '') ?? ''}`;
}

async function simulate(invariants: Mutant['invariants']): Promise<string | undefined> {
  const { code, output } = await run('npx', ['node', 'simulate/main.ts', '--seeds', String(seeds)]);
  const [, seed, broken, meaning] = /^seed (\d+) broke (\w+): (.*)$/m.exec(output) ?? [];
  if (code !== 0 && broken === undefined) throw new Error(`the simulation did not run:\n${output}`);
  if (broken === undefined) return undefined;
  if (!invariants.some((invariant) => invariant === broken))
    throw new Error(`was expected to break ${invariants.join(' or ')}, and broke ${broken}:\n${output}`);
  return `${broken}: ${meaning} (simulation, seed ${seed})`;
}

/** Runs in a process group of its own, because a test that is aborted leaves its relays behind. */
async function run(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<{ code: number; output: string }> {
  const child = spawn(program, args, {
    cwd: copy,
    env: { ...process.env, OUTBOX_RELAY_CACHE: cacheFolder(), NO_COLOR: '1', ...env },
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
    // The group has ended already.
  }
  return { code: code ?? 1, output };
}

function secondsSince(ms: number): number {
  return Math.round((performance.now() - ms) / 1000);
}

const program = new Command('npm run mutants --')
  .description(
    'Breaks a copy of the relay in one place at a time, and shows which invariant fails and which test notices. Exits with 1 if a mutant survives.',
  )
  .argument('[words...]', 'only mutants with one of these in their name')
  .option('--list', 'list the mutants and exit', false)
  .option('--json <file>', 'save every outcome')
  .option('--new', 'only mutants that are not in the table', false)
  .option(
    '--docs',
    'write the table to docs/evidence/mutants.md; the rows of mutants that were not tried stay',
    false,
  )
  .parse();
const options = program.opts<{ list: boolean; json?: string; new: boolean; docs: boolean }>();
const words = program.args;
const docsFile = join(root, 'docs/evidence/mutants.md');
const known = rowsOf(readFileSync(docsFile, 'utf8'));
const chosen = mutants.filter(
  ({ name }) =>
    (words.length === 0 || words.some((word) => name.includes(word))) && !(options.new && known.has(name)),
);
if (options.list) {
  for (const { name, promise } of chosen) console.log(`${promise.padEnd(14)}  ${name}`);
  process.exit(0);
}
ignoreNegativeTimeouts();
prepare();
const outcomes: (Outcome & { readonly mutant: Mutant })[] = [];
for (const mutant of chosen) {
  const outcome = await tryMutant(mutant);
  outcomes.push({ mutant, ...outcome });
  const { caughtBy, failure, seconds } = outcome;
  const verdict = failure !== undefined ? 'FAILED  ' : caughtBy === undefined ? 'SURVIVED' : 'caught  ';
  console.log(`${verdict}  ${mutant.promise.padEnd(14)}  ${mutant.name} (${seconds} s)`);
  if (caughtBy !== undefined) console.log(`            by: ${caughtBy}`);
  if (failure !== undefined) console.log(failure.replace(/^/gm, '            '));
  // One about which nobody can say anything has no new row.
  const judged = outcomes.filter((each) => each.failure === undefined);
  if (options.docs) writeFileSync(docsFile, page(mutants, judged, known));
}
await (await stack)?.stop();
rmSync(copy, { recursive: true, force: true });
const failed = outcomes.filter(({ failure }) => failure !== undefined).length;
if (options.json !== undefined)
  writeFileSync(
    options.json,
    `${JSON.stringify(
      outcomes.map(({ mutant: { name, promise }, ...outcome }) => ({ name, promise, ...outcome })),
      undefined,
      2,
    )}\n`,
  );
const caught = outcomes.filter(({ caughtBy }) => caughtBy !== undefined).length;
const survivors = outcomes.length - caught - failed;
console.log(`${caught} caught, ${survivors} survived, ${failed} failed`);
process.exitCode = survivors + failed === 0 ? 0 : 1;
