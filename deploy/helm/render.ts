/**
 * Renders the chart with each set of values of its examples. `npm run manifests` writes deploy/kubernetes from it, for people
 * who use no Helm; a test fails when these files are out of date. It needs helm.
 */
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments, stringify } from 'yaml';
import { findProgram } from '../tools/programs.ts';
import { chartFolder } from './chart.ts';

const run = promisify(execFile);

export type Manifest = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  // biome-ignore lint/suspicious/noExplicitAny: objects of Kubernetes, which kubeconform checks
  readonly [key: string]: any;
};

export const exampleFolder = join(chartFolder, 'examples');
export const examples: readonly string[] = readdirSync(exampleFolder).map((file) => basename(file, '.yaml'));

/** The text that helm prints for an example. @param sets values on top of it, as `--set-json` takes them */
export async function rendered(helm: string, example: string, ...sets: readonly string[]): Promise<string> {
  const values = ['--values', join(exampleFolder, `${example}.yaml`)];
  const release = ['template', 'outbox-relay', chartFolder, '--namespace', 'outbox'];
  const more = sets.flatMap((set) => ['--set-json', set]);
  const { stdout } = await run(helm, [...release, ...values, ...more], { maxBuffer: 16 * 1024 * 1024 });
  return stdout;
}

/** @throws what is not valid YAML: helm prints text */
export function manifestsOf(text: string): Manifest[] {
  const documents = parseAllDocuments(text);
  return [...documents].flatMap((document) => {
    const [fault] = document.errors;
    if (fault !== undefined) throw fault;
    const manifest: unknown = document.toJS();
    return manifest === null ? [] : [manifest as Manifest];
  });
}

export const plainFolder = join(import.meta.dirname, '../kubernetes');

/** Plain manifests: without Helm's hooks, and without the labels that only Helm reads. */
export async function plainManifests(
  helm: string,
): Promise<{ readonly file: string; readonly text: string }[]> {
  const [minimal, production] = [await rendered(helm, 'minimal'), await rendered(helm, 'production')];
  return [
    { file: 'relay.yaml', text: plain('minimal', manifestsOf(minimal)) },
    { file: 'production.yaml', text: plain('production', manifestsOf(production)) },
  ];
}

function plain(example: string, manifests: readonly Manifest[]): string {
  const head = `# Made from the chart with examples/${example}.yaml by \`npm run manifests\`. Edit a copy: addresses, names of the Secrets, image.\n`;
  return `${head}${manifests.filter(isForAll).map(text).join('---\n')}`;
}

/** A hook runs when Helm says so; `kubectl apply` would start a test with the relay. The migrations are a Job to run first. */
const isForAll = ({ metadata }: Manifest): boolean => metadata.annotations?.['helm.sh/hook'] !== 'test';

function text(manifest: Manifest): string {
  return stringify(withoutHelm(manifest), { lineWidth: 0, aliasDuplicateObjects: false });
}

function withoutHelm(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutHelm);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, child]) => !/^helm\.sh\//.test(key) && child !== 'Helm')
      .map(([key, child]) => [key, withoutHelm(child)] as const)
      .filter(([key, child]) => !(key === 'annotations' && Object.keys(child as object).length === 0)),
  );
}

if (import.meta.main) {
  const helm = findProgram('helm');
  if (helm === undefined) throw new Error('helm is not installed: npm run tools');
  await mkdir(plainFolder, { recursive: true });
  for (const { file, text } of await plainManifests(helm)) await writeFile(join(plainFolder, file), text);
}
