/**
 * Owns folders of the cache that are filled once, whoever needs them first. A folder with the final name is always
 * complete, because it is built elsewhere and renamed.
 */
import { existsSync } from 'node:fs';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Progress } from './progress.ts';
import { isAlive, openRun, type Run } from './run.ts';

/**
 * Fills `folder` if it is not there yet. Processes that need it at the same time wait for one of them.
 * @param what for people: what is fetched
 * @param fill makes the folder `target`, with the means of a run that ends afterwards
 */
export async function fillOnce(
  folder: string,
  what: string,
  fill: (run: Run, target: string) => Promise<void>,
  onProgress?: Progress,
): Promise<void> {
  if (existsSync(folder)) return;
  await alone(`${folder}.lock`, what, onProgress, async () => {
    if (existsSync(folder)) return; // the one we waited for has filled it
    await using run = await openRun();
    const target = path.join(run.dir, 'fetched');
    await fill(run, target);
    await rename(target, folder).catch((error) => {
      if (!existsSync(folder)) throw error; // otherwise another process was faster, and its folder is as good
    });
  });
}

/** Does the work while no other process does it; they wait. @param file of the lock */
export async function alone(
  file: string,
  what: string,
  onProgress: Progress | undefined,
  work: () => Promise<void>,
): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  const unlock = await lock(file, what, onProgress);
  try {
    await work();
  } finally {
    await unlock();
  }
}

/**
 * Only saves a second download: if two processes take over the lock of a dead one at the same instant, both download
 * into folders of their own, and the second discards its own.
 */
async function lock(file: string, what: string, onProgress?: Progress): Promise<() => Promise<void>> {
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
    if (!waiting) onProgress?.(`waiting for another process that makes ${what}`);
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
