/**
 * Owns the schemas of the objects that operators add to Kubernetes, as far as the chart makes such objects. An API server
 * takes them from the operator's CustomResourceDefinition and refuses what they do not allow; here kubeconform does.
 */
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'yaml';

const run = promisify(execFile);

/** Files of Go modules, which the proxy of Go keeps: nothing else of the module is used. */
const operators = [
  {
    module: 'github.com/prometheus-operator/prometheus-operator@v0.90.1',
    folder: 'example/prometheus-operator-crd',
    files: ['podmonitors', 'servicemonitors', 'prometheusrules'].map(
      (name) => `monitoring.coreos.com_${name}.yaml`,
    ),
  },
  {
    module: 'github.com/external-secrets/external-secrets@v1.3.2',
    folder: 'config/crds/bases',
    files: ['external-secrets.io_externalsecrets.yaml'],
  },
] as const;

export const operatorSchemas = 'operator-schemas-1';

/** Where kubeconform finds them below the folder. */
export const operatorSchemaPath = '{{.ResourceKind}}_{{.ResourceAPIVersion}}.json';

/** Writes a schema for each version of each kind. @param dir for what is only needed meanwhile */
export async function writeOperatorSchemas(dir: string, target: string): Promise<void> {
  await mkdir(target, { recursive: true });
  for (const { module, folder, files } of operators) {
    const { stdout } = await run('go', ['mod', 'download', '-json', module], { cwd: dir });
    const { Dir } = JSON.parse(stdout) as { Dir: string };
    for (const file of files)
      for (const [name, schema] of schemasOf(await readFile(path.join(Dir, folder, file), 'utf8')))
        await writeFile(path.join(target, name), JSON.stringify(schema));
  }
}

type Schema = { readonly [key: string]: unknown };

type Definition = {
  readonly spec: {
    readonly names: { readonly kind: string };
    readonly versions: readonly { readonly name: string; readonly schema: { openAPIV3Schema: Schema } }[];
  };
};

/** @param definition YAML of a CustomResourceDefinition */
export function schemasOf(definition: string): [file: string, schema: Schema][] {
  const { names, versions } = (parse(definition) as Definition).spec;
  return versions.map(({ name, schema }) => [
    `${names.kind.toLowerCase()}_${name}.json`,
    closed(schema.openAPIV3Schema) as Schema,
  ]);
}

/** An API server drops fields that a schema does not name, without a word: here they are a fault. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const { description: _, ...rest } = schema as Schema;
  const all: Schema = Object.fromEntries(
    Object.entries(rest).map(([key, value]) => [
      key,
      key === 'properties' ? closedEach(value) : closed(value),
    ]),
  );
  const isOpen =
    !('properties' in all) ||
    'additionalProperties' in all ||
    all['x-kubernetes-preserve-unknown-fields'] === true;
  return isOpen ? all : { ...all, additionalProperties: false };
}

/** Names of properties are no keywords. */
const closedEach = (properties: unknown): Schema =>
  Object.fromEntries(Object.entries(properties as Schema).map(([name, value]) => [name, closed(value)]));
