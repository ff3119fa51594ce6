/**
 * Owns fetching Java programs: once per content of a POM, into the cache folder, with Maven. A folder with the final
 * name is always complete, because it is built elsewhere and renamed.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { cacheFolder } from './cache.ts';
import { dockerRuns, missingJava, missingMaven } from './java.ts';
import type { Progress } from './progress.ts';
import { isAlive, openRun, type Run, startFailure } from './run.ts';

/** Where the servers come from: `jars`, run by the machine's Java, or `docker`, their public images. */
export type ServerSource =
  | { readonly kind: 'jars'; readonly kafkaClassPath: string; readonly registryJar: string }
  | { readonly kind: 'docker' };

/** A POM that copies what it names to `fetch.to` in the phase `generate-resources`. */
export type Fetch = {
  readonly pomFile: string;
  /** Begins the folder's name in the cache. */
  readonly name: string;
  /** For people: what is fetched. */
  readonly what: string;
  /** Of Maven's repository and of what is copied out of it, as measured. */
  readonly expectedMegabytes: number;
};

const servers: Fetch = {
  pomFile: path.join(import.meta.dirname, 'pom.xml'),
  name: 'servers',
  what: 'Kafka and the schema registry',
  expectedMegabytes: 214 + 199,
};

let found: Promise<ServerSource> | undefined;

/**
 * Fetches the servers if they are not there yet. Calls within one process share one fetch.
 * @throws with one line that says what to install when there is neither Java and Maven nor Docker.
 */
export function serverSource(onProgress?: Progress): Promise<ServerSource> {
  found ??= find(onProgress).catch((error) => {
    found = undefined;
    throw error;
  });
  return found;
}

async function find(onProgress?: Progress): Promise<ServerSource> {
  const folder = await folderOf(servers);
  const missing = (await missingJava()) ?? (existsSync(folder) ? undefined : await missingMaven());
  if (missing === undefined) return jarsIn(await fetched(servers, onProgress));
  if (await dockerRuns()) return { kind: 'docker' };
  throw new Error(`${missing}, or start a Docker engine`);
}

/** The folder with what the POM names, fetched if it is not there yet. @throws with the end of Maven's log */
export async function fetched(wanted: Fetch, onProgress?: Progress): Promise<string> {
  const folder = await folderOf(wanted);
  await fetchOnce(wanted, folder, onProgress);
  return folder;
}

async function folderOf({ pomFile, name }: Fetch): Promise<string> {
  const key = createHash('sha256')
    .update(await readFile(pomFile))
    .digest('hex')
    .slice(0, 12);
  return path.join(cacheFolder(), `${name}-${key}`);
}

async function jarsIn(folder: string): Promise<ServerSource> {
  const registry = path.join(folder, 'registry');
  const runner = (await readdir(registry)).find((name) => name.endsWith('-runner.jar'));
  if (runner === undefined) throw new Error(`no runner jar in ${registry}: delete ${folder} and start again`);
  return {
    kind: 'jars',
    kafkaClassPath: path.join(folder, 'kafka', '*'),
    registryJar: path.join(registry, runner),
  };
}

async function fetchOnce(wanted: Fetch, folder: string, onProgress?: Progress): Promise<void> {
  if (existsSync(folder)) return;
  await mkdir(path.dirname(folder), { recursive: true });
  const unlock = await lock(`${folder}.lock`, wanted, onProgress);
  try {
    if (existsSync(folder)) return; // the one we waited for has fetched it
    await using run = await openRun();
    await fetch(run, wanted, folder, onProgress);
  } finally {
    await unlock();
  }
}

async function fetch(run: Run, wanted: Fetch, folder: string, onProgress?: Progress): Promise<void> {
  const { pomFile, what } = wanted;
  const target = path.join(run.dir, 'fetched');
  const properties = [`-Dmaven.repo.local=${path.join(run.dir, 'repository')}`, `-Dfetch.to=${target}`];
  onProgress?.(`downloading ${what} with Maven (first time only)`);
  const maven = run.start({
    name: 'maven',
    command: 'mvn',
    args: ['-B', '-ntp', '-q', '-f', pomFile, ...properties, 'generate-resources'],
  });
  const timer = setInterval(() => void report(run.dir, wanted, onProgress), 2_000);
  const how = await maven.exited;
  clearInterval(timer);
  if (how !== 'exit code 0') throw startFailure(maven, `could not download ${what} (${how})`);
  await rename(target, folder).catch((error) => {
    if (!existsSync(folder)) throw error; // otherwise another process was faster, and its folder is as good
  });
  onProgress?.(`downloaded ${what}`);
}

async function report(folder: string, wanted: Fetch, onProgress?: Progress): Promise<void> {
  const bytes = await sizeOf(folder).catch(() => undefined); // files move under our eyes
  if (bytes === undefined) return;
  const megabytes = Math.round(bytes / 1e6);
  onProgress?.(`downloading ${wanted.what}: ${megabytes} of about ${wanted.expectedMegabytes} MB`);
}

async function sizeOf(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(
    files.map(async (file) => (await stat(path.join(file.parentPath, file.name))).size),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/**
 * Only saves a second download: if two processes take over the lock of a dead one at the same instant, both download
 * into folders of their own, and the second discards its own.
 */
async function lock(file: string, { what }: Fetch, onProgress?: Progress): Promise<() => Promise<void>> {
  let waiting = false;
  for (;;) {
    try {
      const handle = await open(file, 'wx');
      await handle.writeFile(String(process.pid));
      await handle.close();
      return () => rm(file, { force: true });
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
    if (await isAbandoned(file)) {
      await rm(file, { force: true });
      continue;
    }
    if (!waiting) onProgress?.(`waiting for another process that downloads ${what}`);
    waiting = true;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

async function isAbandoned(file: string): Promise<boolean> {
  const owner = Number(await readFile(file, 'utf8').catch(() => ''));
  if (owner > 0) return !isAlive(owner);
  // Created but not written yet, or its owner died in between: an instant is enough to tell.
  const age = await stat(file).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => 0,
  );
  return age > 5_000;
}
