/**
 * Owns a real PgBouncer before a Postgres: for tests of what the relay says when its address leads to one. The program is
 * that of `PGBOUNCER_BIN`, of the path, or of Debian's package, which is put outside the path of most users.
 */
import { existsSync } from 'node:fs';
import { chown, mkdtemp, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { freePort } from './port.ts';
import { inRun, untilReady } from './run.ts';
import { serverUser } from './server-user.ts';

/** @returns undefined where it is not installed */
export function pgbouncerProgram(): string | undefined {
  const given = process.env.PGBOUNCER_BIN;
  const folders = [...(process.env.PATH ?? '').split(path.delimiter).filter(Boolean), '/usr/sbin'];
  const files = given === undefined ? folders.map((folder) => path.join(folder, 'pgbouncer')) : [given];
  return files.find((file) => existsSync(file));
}

export type PgBouncer = AsyncDisposable & {
  /** The same user, password and database as behind it. */
  readonly url: string;
};

/**
 * @param behind URL of the Postgres
 * @param settings of its section `pgbouncer`, over the ones below
 */
export function startPgBouncer(
  program: string,
  behind: string,
  settings: Readonly<Record<string, string>>,
): Promise<PgBouncer> {
  return inRun(undefined, async (run, onStopped) => {
    const user = await serverUser();
    const folder = await mkdtemp(path.join(os.tmpdir(), 'pgbouncer-'));
    run.addFolder(folder);
    const { hostname, port, username, password } = new URL(behind);
    const file = async (name: string, text: string) => {
      const at = path.join(folder, name);
      await writeFile(at, text, { mode: 0o600 });
      if (user) await chown(at, user.uid, user.gid);
      return at;
    };
    const ownPort = await freePort();
    const all = {
      listen_addr: '127.0.0.1',
      listen_port: String(ownPort),
      unix_socket_dir: '',
      auth_type: 'scram-sha-256',
      auth_file: await file('users.txt', `"${username}" "${password}"\n`),
      ...settings,
    };
    const lines = Object.entries(all).map(([name, value]) => `${name} = ${value}\n`);
    const ini = `[databases]\n* = host=${hostname} port=${port}\n[pgbouncer]\n${lines.join('')}`;
    const config = await file('pgbouncer.ini', ini);
    if (user) await chown(folder, user.uid, user.gid);
    const server = run.start({
      name: `pgbouncer-${ownPort}`,
      command: program,
      args: [config],
      cwd: folder,
      user,
    });
    await untilReady(server, () => listens(ownPort), 10_000);
    const url = new URL(behind);
    url.port = String(ownPort);
    return {
      url: url.href,
      async [Symbol.asyncDispose]() {
        await server.end('SIGTERM');
        await onStopped();
      },
    };
  });
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
