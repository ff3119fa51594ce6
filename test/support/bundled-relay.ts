/**
 * Bundles the relay for the processes that tests start. Most of what a start costs is to find and load 800 modules: a run of
 * all tests starts 740 relays and commands, each with two thirds of the CPU time that it takes from the sources.
 *
 * The modules are those of the repository, in other files. Libraries that the relay requires by path, or that look for files
 * of their own, stay where they are. What is published is tested by itself, as it is built (test/build).
 */
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, type Plugin, type Rolldown } from 'vite';

const root = path.join(import.meta.dirname, '../..');
/**
 * Where Node finds the libraries from. Other checkouts may share it, as the copies do that `npm run mutants` breaks: so the
 * name of each file tells what is in it.
 */
const folder = path.join(root, 'node_modules/.bundled-relay');

/** Of many modules, and without a file or a state that another copy of them would share. */
const bundled = ['zod', 'commander', 'prom-client', '@opentelemetry/api', 'hono', '@hono/node-server'];

/** Files that no run has made for this long are of sources that have changed. */
const keptMs = 24 * 60 * 60_000;

/** @returns the program, for `node` */
export async function bundleRelay(): Promise<string> {
  const { output } = (await build({
    root,
    configFile: false,
    envDir: false,
    logLevel: 'warn',
    plugins: [ownPlaces],
    ssr: { noExternal: bundled },
    build: {
      ssr: path.join(root, 'relay/main.ts'),
      target: 'node24',
      minify: false,
      write: false,
      rolldownOptions: { output: { entryFileNames: '[name]-[hash].js', chunkFileNames: '[name]-[hash].js' } },
    },
  })) as Rolldown.RolldownOutput;
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, 'package.json'), '{"type":"module"}');
  for (const file of output)
    if (file.type === 'chunk') await place(path.join(folder, file.fileName), file.code);
  await removeOld(new Set(['package.json', ...output.map(({ fileName }) => fileName)]));
  return path.join(folder, output[0].fileName);
}

/** A module that asks where it lies is told where its source lies. */
const ownPlaces: Plugin = {
  name: 'own-places',
  enforce: 'pre',
  transform(code, id) {
    if (!id.startsWith(root) || id.includes('/node_modules/') || !code.includes('import.meta.')) return;
    const places = { url: pathToFileURL(id).href, dirname: path.dirname(id), filename: id };
    let told = code;
    for (const [name, value] of Object.entries(places))
      told = told.replaceAll(`import.meta.${name}`, JSON.stringify(value));
    return { code: told, map: null };
  },
};

/** Another run of the same checkout may be starting relays. */
async function place(file: string, code: string): Promise<void> {
  const whole = `${file}.${process.pid}`;
  await writeFile(whole, code);
  await rename(whole, file);
}

/** What another run has just renamed or removed is not there any more. */
async function removeOld(current: ReadonlySet<string>): Promise<void> {
  for (const name of await readdir(folder)) {
    const file = path.join(folder, name);
    const found = current.has(name) ? undefined : await stat(file).catch(() => undefined);
    if (found !== undefined && found.mtimeMs < Date.now() - keptMs) await rm(file, { force: true });
  }
}
