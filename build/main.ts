/**
 * `npm run build`: makes all that the package runs: `dist/` from the TypeScript sources, and the pages of the console. The
 * compiler writes `dist/` file by file.
 * A bundler would give one file that starts no faster, hide from `npm audit` what is inside, and have the traces of an
 * error name lines that nobody has seen. See `bundle.ts` for the exceptions.
 */
import { execFile } from 'node:child_process';
import { cp, readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { build } from 'vite';
import { bundleLibraries } from './bundle.ts';
import { keepReachableTypes } from './types.ts';

const root = path.join(import.meta.dirname, '..');
const dist = path.join(root, 'dist');

async function compile(project: string): Promise<void> {
  const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
  try {
    await promisify(execFile)(process.execPath, [tsc, '-p', project], { cwd: root });
  } catch (error) {
    process.stderr.write((error as { stdout: string }).stdout);
    process.exit(1);
  }
}

// Otherwise Vite takes the one of a test, and builds pages for development, with the paths of this machine.
process.env.NODE_ENV = 'production';
await rm(dist, { recursive: true, force: true });
const { dependencies } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as {
  dependencies: Record<string, string>;
};
await Promise.all([compile('tsconfig.build.json'), compile('build/types.json')]);
await keepReachableTypes(path.join(dist, '.types'), dist, 'relay/index.d.ts');
await bundleLibraries(dist, Object.keys(dependencies));
// The demo is to be run, not debugged: without maps it is half as large.
for (const file of await readdir(dist, { recursive: true }))
  if (/^(demo|harness|stack)\b.*\.map$/.test(file)) await rm(path.join(dist, file));
// What it starts its servers with.
for (const file of ['pom.xml', 'guard.sh'])
  await cp(path.join(root, 'stack', file), path.join(dist, 'stack', file));
await build({ configFile: path.join(root, 'console/vite.config.ts'), logLevel: 'warn' });
