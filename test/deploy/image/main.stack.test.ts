/**
 * The image, built by `npm run image` and started as in a cluster: read-only, not root, as process 1. It needs no engine for
 * containers, but root, buildah and busybox. It takes a minute of one core, so only `npm run image:try` runs it.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { World } from '../../relay/world.ts';
import { makeStandIns, standIns } from './stand-ins.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../../..');
const isAsked = process.env.IMAGE !== undefined;
const missing = [
  ...(process.getuid?.() === 0 ? [] : ['root']),
  ...['buildah', 'busybox', 'unshare'].filter((name) => !isOnPath(name)),
];
if (!isAsked || missing.length > 0)
  console.error(
    `# the image is not tried: ${isAsked ? `missing ${missing.join(', ')}` : 'npm run image:try does it'}`,
  );

function isOnPath(name: string): boolean {
  return (process.env.PATH ?? '').split(':').some((folder) => existsSync(join(folder, name)));
}

type Image = {
  readonly User: string;
  readonly Env: readonly string[];
  readonly Entrypoint: readonly string[];
  readonly Cmd: readonly string[];
  readonly WorkingDir: string;
  readonly Labels: Readonly<Record<string, string>>;
  readonly StopSignal: string;
  readonly Healthcheck: { readonly Test: readonly string[] };
};

describe.skipIf(!isAsked || missing.length > 0)('the image', () => {
  let dir: string;
  let env: NodeJS.ProcessEnv;
  let image: Image;
  let sizeBytes: number;
  /** Where its files are. */
  let files: string;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'outbox-relay-image-'));
    const storage = join(dir, 'storage.conf');
    await mkdir(join(dir, 'base-images'));
    await writeFile(
      storage,
      `[storage]\ndriver = "overlay"\ngraphroot = "${dir}/store"\nrunroot = "${dir}/run"\n`,
    );
    env = { ...process.env, CONTAINERS_STORAGE_CONF: storage, BUILDAH_ISOLATION: 'chroot' };
    await makeStandIns(env, join(dir, 'base-images'));
    const args = Object.entries(standIns).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]);
    const builder = { ...env, IMAGE_BUILDER: 'buildah' };
    const main = join(root, 'deploy/image/main.ts');
    await run(process.execPath, [main, '--network', 'host', '--pull-never', ...args], { env: builder });
    const { stdout } = await run('buildah', ['inspect', '--type', 'image', 'outbox-relay'], { env });
    const inspected = JSON.parse(stdout);
    image = inspected.Docker.config;
    const { stdout: listed } = await run('buildah', ['images', '--json', 'outbox-relay'], { env });
    sizeBytes = parseSize(JSON.parse(listed)[0].size);
    const { stdout: container } = await run('buildah', ['from', '--pull-never', 'outbox-relay'], { env });
    files = (await run('buildah', ['mount', container.trim()], { env })).stdout.trim();
  }, 900_000);

  afterAll(async () => {
    if (env === undefined) return;
    await run('buildah', ['rm', '--all'], { env });
    await run('buildah', ['rmi', '--all', '--force'], { env });
    await rm(dir, { recursive: true, force: true });
  }, 120_000);

  /** As an engine would: its files read-only, a process table of its own, its user without capabilities. */
  function start(command: readonly string[], given: Readonly<Record<string, string>>): ChildProcess {
    const [uid, gid] = image.User.split(':');
    const own = image.Env.map((each) => {
      const at = each.indexOf('=');
      return [each.slice(0, at), each.slice(at + 1)] as const;
    });
    const script = [
      'set -e',
      'mount --bind "$1" "$1"',
      'mount -t proc proc "$1/proc"',
      'mount --rbind /dev "$1/dev"',
      'mount -o remount,bind,ro "$1"',
      'files=$1; shift; cd "$files"',
      `exec /usr/sbin/chroot --userspec=${uid}:${gid} --groups= "$files" /usr/local/bin/node -e ` +
        // Node changes the folder, since there is no shell that could.
        `'process.chdir(process.argv[1]); process.execve(process.argv[2], process.argv.slice(3))' "$@"`,
    ].join('\n');
    const args = ['--mount', '--pid', '--fork', '--kill-child', 'sh', '-c', script, 'sh', files];
    // Its first word is the name by which it finds itself.
    const words = [image.WorkingDir, '/usr/local/bin/node', ...command];
    return spawn('unshare', [...args, ...words], {
      env: { ...Object.fromEntries(own), ...given },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  /** The process itself, which is number 1 of its own table. */
  async function pidIn({ pid }: ChildProcess): Promise<number> {
    return Number((await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim());
  }

  test('has what it says of itself, and is under 200 MB with Node', async () => {
    const { default: manifest } = await import('../../../package.json', { with: { type: 'json' } });
    expect(image.Labels).toMatchObject({
      'org.opencontainers.image.version': manifest.version,
      'org.opencontainers.image.licenses': 'Apache-2.0',
    });
    expect(image).toMatchObject({
      Entrypoint: ['node', 'bin/outbox-relay.js'],
      Cmd: ['run'],
      StopSignal: 'SIGTERM',
    });
    expect(image.User).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(image.Healthcheck.Test[0]).toBe('CMD');
    // gcr.io/distroless/cc-debian12 has 23 MB, the base in its place 6 MB.
    expect(sizeBytes / 1e6).toBeLessThan(200 - 17);
  });

  test('has the pages of the console and the migrations, no shell, no npm, and nothing that its user could write', async () => {
    for (const file of ['console/dist/index.html', 'migrations/roles.sql', 'bin/outbox-relay.js', 'LICENSE'])
      expect(existsSync(join(files, image.WorkingDir, file)), file).toBe(true);
    for (const file of ['bin/sh', 'usr/local/bin/npm', 'app/node_modules/vite', 'app/test'])
      expect(existsSync(join(files, file)), file).toBe(false);
    const uid = image.User.split(':')[0]!;
    const writable = execFileSync('find', [
      join(files, 'app'),
      '-user',
      uid,
      '-o',
      '-perm',
      '-o+w',
      '-type',
      'f',
    ]);
    expect(writable.toString()).toBe('');
  });

  test('publishes an event, is healthy, and ends at SIGTERM with 0', async () => {
    await using world = await World.create();
    const given = Object.fromEntries(
      Object.entries(world.env).filter(([name]) => name !== 'PATH' && name !== 'NODE_COMPILE_CACHE'),
    );
    const child = start([...image.Entrypoint, ...image.Cmd], given);
    const lines: { state?: string; http?: string; msg?: string }[] = [];
    const streaming = Promise.withResolvers<void>();
    let said = '';
    child.stderr!.on('data', (part) => (said += part));
    createInterface({ input: child.stdout! }).on('line', (line) => {
      lines.push(JSON.parse(line));
      if (lines.at(-1)?.state === 'streaming') streaming.resolve();
    });
    const closed = once(child, 'close');
    void closed.then(([code]) => streaming.reject(new Error(`ended with ${code}: ${said}`)));
    try {
      await streaming.promise;
      const ids = await world.write([{ key: 'a', seq: 0 }]);
      expect(await world.read(ids)).toHaveLength(1);
      const port = lines
        .find(({ http }) => http !== undefined)!
        .http!.split(':')
        .at(-1)!;
      const pid = await pidIn(child);
      const status = await readFile(`/proc/${pid}/status`, 'utf8');
      expect(status).toMatch(/^Uid:\s+65532\s+65532\s+65532\s+65532$/m);
      expect(status).toMatch(/^CapEff:\s+0+$/m);
      expect(status).toMatch(/^NSpid:\s+\d+\s+1$/m);
      const health = start(image.Healthcheck.Test.slice(1), { OUTBOX_RELAY_HTTP_PORT: port });
      expect(await once(health, 'close')).toEqual([0, null]);
      const sick = start(image.Healthcheck.Test.slice(1), { OUTBOX_RELAY_HTTP_PORT: '1' });
      expect(await once(sick, 'close')).toEqual([1, null]);
      process.kill(pid, 'SIGTERM');
      expect(await closed).toEqual([0, null]);
      expect(lines.at(-1)?.msg).toBe('stopped');
    } finally {
      child.kill('SIGKILL');
    }
  });
});

function parseSize(text: string): number {
  const [, number, unit] = /^([\d.]+) (KB|MB|GB)$/.exec(text) ?? [];
  return Number(number) * { KB: 1e3, MB: 1e6, GB: 1e9 }[unit as 'KB' | 'MB' | 'GB'];
}
