/**
 * Images in the place of those that the Dockerfile begins with, for machines that reach no registry of images: busybox, Node
 * and npm to build with, and the C libraries alone to run on. They are made of files of this machine.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const standIns = { NODE: 'localhost/outbox-relay-node', BASE: 'localhost/outbox-relay-base' } as const;

const authorities = '/etc/ssl/certs/ca-certificates.crt';
const path = 'PATH=/usr/local/bin:/usr/bin:/bin';

/** @param env where buildah keeps images @param dir for what is needed on the way */
export async function makeStandIns(env: NodeJS.ProcessEnv, dir: string): Promise<void> {
  const [base, node] = [join(dir, 'base'), join(dir, 'node')];
  await makeBase(base);
  await makeNode(node);
  await importImage(env, base, standIns.BASE, ['--env', path, '--user', '65532:65532']);
  const { stdout: registry } = await run('npm', ['config', 'get', 'registry']);
  await importImage(env, node, standIns.NODE, [
    ...['--env', path],
    ...['--env', `npm_config_registry=${registry.trim()}`],
    ...(existsSync(authorities) ? ['--env', `NODE_EXTRA_CA_CERTS=${authorities}`] : []),
    ...(existsSync(authorities) ? ['--env', `npm_config_cafile=${authorities}`] : []),
  ]);
}

async function importImage(
  env: NodeJS.ProcessEnv,
  folder: string,
  name: string,
  config: readonly string[],
): Promise<void> {
  const { stdout } = await run('buildah', ['from', 'scratch'], { env });
  const container = stdout.trim();
  await run('buildah', ['add', '--quiet', container, folder, '/'], { env });
  await run('buildah', ['config', ...config, container], { env });
  await run('buildah', ['commit', '--quiet', '--rm', container, name], { env });
}

async function makeBase(root: string): Promise<void> {
  for (const folder of ['tmp', 'proc', 'dev', 'sys', 'etc/ssl/certs', 'usr/local/bin'])
    await mkdir(join(root, folder), { recursive: true });
  await chmod(join(root, 'tmp'), 0o1777);
  // Those that Node and the compiled packages are linked to, and those with which names are resolved.
  const { stdout } = await run('ldd', [process.execPath]);
  const linked = stdout.match(/\/\S+/g) ?? [];
  const beside = ['librt.so.1', 'libresolv.so.2', 'libnss_dns.so.2', 'libnss_files.so.2'];
  const folder = dirname(linked.find((file) => file.includes('libc.so'))!);
  for (const file of [...linked, ...beside.map((name) => join(folder, name))].filter((each) =>
    existsSync(each),
  ))
    await cp(file, join(root, file), { dereference: true, recursive: true });
  if (existsSync(authorities)) await cp(authorities, join(root, authorities), { dereference: true });
  await writeFile(join(root, 'etc/nsswitch.conf'), 'hosts: files dns\n');
  await writeFile(
    join(root, 'etc/passwd'),
    'root:x:0:0::/root:/sbin/nologin\nnonroot:x:65532:65532::/home/nonroot:/sbin/nologin\n',
  );
}

async function makeNode(root: string): Promise<void> {
  await makeBase(root);
  const bin = join(root, 'bin');
  for (const folder of [
    bin,
    join(root, 'root'),
    join(root, 'usr/bin'),
    join(root, 'usr/local/lib/node_modules'),
  ])
    await mkdir(folder, { recursive: true });
  const { stdout: shell } = await run('which', ['busybox']);
  await cp(shell.trim(), join(bin, 'busybox'), { dereference: true });
  const { stdout: applets } = await run(join(bin, 'busybox'), ['--list']);
  for (const applet of applets
    .trim()
    .split('\n')
    .filter((name) => name !== 'busybox'))
    await symlink('busybox', join(bin, applet));
  await symlink('/bin/busybox', join(root, 'usr/bin/env'));
  await cp(process.execPath, join(root, 'usr/local/bin/node'), { dereference: true });
  const { stdout: global } = await run('npm', ['root', '--global']);
  const npm = join(root, 'usr/local/lib/node_modules/npm');
  await cp(join(global.trim(), 'npm'), npm, { recursive: true, dereference: true });
  if ((await readdir(npm)).length === 0) throw new Error('npm is not where npm root says');
  await symlink('../lib/node_modules/npm/bin/npm-cli.js', join(root, 'usr/local/bin/npm'));
}
