/**
 * Owns where the programs of Prometheus come from: `PROMETHEUS_BIN_DIR`, the path, or the packages of Debian and Ubuntu,
 * which are unpacked into the cache folder without being installed.
 */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from './cache.ts';
import { fillOnce } from './fill-once.ts';
import type { Progress } from './progress.ts';

const execFileAsync = promisify(execFile);

export type PrometheusPrograms = { readonly prometheus: string; readonly promtool: string };

const names = ['prometheus', 'promtool'] as const;

/** Fetches them if need be. @throws with one line that says what to install where they cannot be had */
export async function prometheusPrograms(onProgress?: Progress): Promise<PrometheusPrograms> {
  const given = process.env.PROMETHEUS_BIN_DIR;
  if (given !== undefined) return programsIn([path.resolve(given)]) ?? missing(`not in ${given}`);
  const onPath = programsIn((process.env.PATH ?? '').split(path.delimiter).filter(Boolean));
  if (onPath !== undefined) return onPath;
  const folder = path.join(cacheFolder(), 'prometheus');
  const what = 'Prometheus';
  await fillOnce(folder, what, ({ dir }, target) => unpackPackages(dir, target, onProgress), onProgress);
  return programsIn([path.join(folder, 'usr', 'bin')]) ?? missing(`not in ${folder}; delete it`);
}

function programsIn(folders: readonly string[]): PrometheusPrograms | undefined {
  const [prometheus, promtool] = names.map((name) =>
    folders.map((folder) => path.join(folder, name)).find((file) => existsSync(file)),
  );
  return prometheus === undefined || promtool === undefined ? undefined : { prometheus, promtool };
}

function missing(why: string): never {
  throw new Error(
    `Prometheus and promtool are required (${why}): install them (packages prometheus and promtool on Debian, prometheus in Homebrew), or set PROMETHEUS_BIN_DIR to their folder`,
  );
}

/** apt checks the packages against the signed list. */
async function unpackPackages(dir: string, target: string, onProgress?: Progress): Promise<void> {
  const packages = path.join(dir, 'packages');
  await mkdir(packages);
  onProgress?.('downloading Prometheus with apt-get (first time only, 20 MB)');
  const apt = aptGet(packages, dir);
  try {
    await apt('prometheus').catch(() => apt.withOwnLists('prometheus'));
  } catch (error) {
    missing(`apt-get could not download it: ${firstLine(error)}`);
  }
  await mkdir(target);
  const unpack = async () => {
    for (const file of readdirSync(packages).filter((name) => name.endsWith('.deb')))
      await execFileAsync('dpkg-deb', ['--extract', path.join(packages, file), target]);
  };
  await unpack();
  if (programsIn([path.join(target, 'usr', 'bin')]) !== undefined) return;
  await apt('promtool'); // later releases have it in a package of its own
  await unpack();
}

function aptGet(packages: string, dir: string) {
  const run = (args: string[]) => execFileAsync('apt-get', args, { cwd: packages, timeout: 120_000 });
  let options: string[] = [];
  const download = async (name: string) => void (await run([...options, '-q', 'download', name]));
  /** A machine that never updated its lists has none, and to write them takes root. */
  download.withOwnLists = async (name: string) => {
    const [lists, cache] = [path.join(dir, 'apt-lists'), path.join(dir, 'apt-cache')];
    await Promise.all(
      [lists, cache].map((folder) => mkdir(path.join(folder, 'partial'), { recursive: true })),
    );
    options = ['-o', `Dir::State::lists=${lists}`, '-o', `Dir::Cache=${cache}`];
    await run([...options, '-q', 'update']);
    await download(name);
  };
  return download;
}

function firstLine(error: unknown): string {
  const text = error instanceof Error && 'stderr' in error ? String(error.stderr) : '';
  return (text.split('\n').find((line) => line.startsWith('E:')) ?? String(error)).split('\n')[0]!;
}
