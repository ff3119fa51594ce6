/**
 * Bundles libraries that are large, and of which little runs. OpenTelemetry, the registry client of the audit, and pino-pretty
 * bring 43 MB with their dependencies; of these 1 MB remains. zod brings 9 MB: CommonJS, types and sources beside what runs.
 * Everything else stays a dependency, which `npm audit` sees and an application can override.
 */
import { appendFile, cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { build, type Plugin } from 'vite';

/** Files of `dist/`, without `.js`, that are bundled in place. Their libraries are in `devDependencies`. */
const inPlace = [
  'relay/observe/trace-exporter',
  'relay/audit/stock-reader',
  // Its library would have npm install zod, and needs none of it.
  'console/server/api/valid',
  'demo/follower',
  'demo/evolution',
];

/** Libraries that a file requires by path: `libraries/<name>.cjs`. */
const required = ['pino-pretty'];

/** Libraries that many files import, which then import `libraries/<name>.js`. */
const shared = ['zod'];

/** @param kept dependencies of the package. The licenses of the others go to `THIRD-PARTY.md`. */
export async function bundleLibraries(dist: string, kept: readonly string[]): Promise<void> {
  const isKept = (id: string) => kept.some((name) => id === name || id.startsWith(`${name}/`));
  const inputs = Object.fromEntries(inPlace.map((file) => [file, path.join(dist, `${file}.js`)]));
  await bundle(dist, inputs, isKept, { entryFileNames: '[name].js', chunkFileNames: 'libraries/[name].js' });
  // The maps no longer tell where a line comes from.
  for (const file of inPlace) await rm(path.join(dist, `${file}.js.map`));
  await bundle(dist, byName(required), isKept, { format: 'cjs', entryFileNames: 'libraries/[name].cjs' });
  await bundle(dist, byName(shared), isKept, { entryFileNames: 'libraries/[name].js' });
  for (const file of await readdir(dist, { recursive: true }))
    if (file.endsWith('.js') && !file.startsWith('libraries')) await importShared(dist, file);
}

const byName = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, name]));

/** The line stays the line that it was, so the maps still hold. */
async function importShared(dist: string, file: string): Promise<void> {
  const text = await readFile(path.join(dist, file), 'utf8');
  const up = path.posix.relative(path.posix.dirname(file), '.');
  const replaced = text.replace(/^(import .* from )'([\w/@-]+)';$/gm, (line, start, name) =>
    shared.includes(name) ? `${start}'${up}/libraries/${name}.js';` : line,
  );
  if (replaced !== text) await writeFile(path.join(dist, file), replaced);
}

type Output = { format?: 'cjs'; entryFileNames: string; chunkFileNames?: string };

async function bundle(
  dist: string,
  input: Record<string, string>,
  isKept: (id: string) => boolean,
  output: Output,
): Promise<void> {
  const made = path.join(dist, '.bundled');
  await build({
    configFile: false,
    root: dist,
    logLevel: 'warn',
    plugins: [ownFilesStay],
    ssr: { noExternal: true, target: 'node' },
    build: {
      ssr: true,
      outDir: made,
      target: 'node20.19',
      minify: false,
      license: { fileName: 'THIRD-PARTY.md' },
      // A library asks by eval whether there is a process.
      rolldownOptions: { input, external: isKept, output, checks: { eval: false } },
    },
  });
  const licenses = path.join(made, 'THIRD-PARTY.md');
  await appendFile(path.join(dist, 'THIRD-PARTY.md'), await readFile(licenses));
  await rm(licenses);
  await cp(made, dist, { recursive: true });
  await rm(made, { recursive: true });
}

/** What the bundled files import of the relay, they share with all others. The result lies as deep as they do. */
const ownFilesStay: Plugin = {
  name: 'own-files-stay',
  enforce: 'pre',
  resolveId: (id, importer) =>
    id.startsWith('.') && importer !== undefined && !importer.includes('node_modules')
      ? { id, external: true }
      : null,
};
