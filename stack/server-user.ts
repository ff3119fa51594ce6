/** Owns the user that a server runs as. Postgres refuses to run as root, so under root it runs as `nobody`. */
import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const execFileAsync = promisify(execFile);

export type User = { readonly uid: number; readonly gid: number };

/** `nobody` when this process is root; otherwise undefined: the user of this process. */
export async function serverUser(): Promise<User | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  return { uid: await idOf('-u'), gid: await idOf('-g') };
}

async function idOf(flag: '-u' | '-g'): Promise<number> {
  const { stdout } = await execFileAsync('id', [flag, 'nobody']);
  return Number(stdout);
}

/** Whether the user may enter the folder and every folder above it, by their mode bits. */
export async function canEnter(folder: string, user: User): Promise<boolean> {
  for (let at = path.resolve(folder); ; at = path.dirname(at)) {
    const { mode, uid, gid } = await stat(at);
    const shift = uid === user.uid ? 6 : gid === user.gid ? 3 : 0;
    if (((mode >> shift) & 0o1) === 0) return false;
    if (at === path.dirname(at)) return true;
  }
}
