/**
 * Bundles libraries that are large, of which little runs, and that a single file uses. OpenTelemetry, the registry client of
 * the audit, and pino-pretty bring 43 MB with their dependencies; of these 1 MB remains. Everything else stays a dependency,
 * which `npm audit` sees and an application can override.
 */
import { appendFile, cp, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { build, type Plugin } from 'vite';

/** Files of `dist/`, without `.js`, that are bundled in place. Their libraries are in `devDependencies`. */
const inPlace = [
  'relay/observe/trace-exporter',
  'relay/audit/stock-reader',
  'demo/follower',
  'demo/evolution',
];

/** Libraries that a file requires by path: `libraries/<name>.cjs`. */
const required = ['pino-pretty'];

/** @param kept dependencies of the package. The licenses of the others go to `THIRD-PARTY.md`. */
export async function bundleLibraries(dist: string, kept: readonly string[]): Promise<void> {
  const isKept = (id: string) => kept.some((name) => id === name || id.startsWith(`${name}/`));
  const inputs = Object.fromEntries(inPlace.map((file) => [file, path.join(dist, `${file}.js`)]));
  await bundle(dist, inputs, isKept, { entryFileNames: '[name].js', chunkFileNames: 'libraries/[name].js' });
  // The maps no longer tell where a line comes from.
  for (const file of inPlace) await rm(path.join(dist, `${file}.js.map`));
  const names = Object.fromEntries(required.map((name) => [name, name]));
  await bundle(dist, names, isKept, { format: 'cjs', entryFileNames: 'libraries/[name].cjs' });
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
