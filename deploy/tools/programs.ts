/**
 * Owns where the programs come from with which the tests judge the deployment, and the registry that they try beside the
 * one of the stack: the path, Go's own folder, or the user's cache. `npm run tools` installs them, each in one version;
 * nothing here fetches a program while tests run.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { fillOnce } from '../../stack/fill-once.ts';
import type { Progress } from '../../stack/progress.ts';
import { operatorSchemas, writeOperatorSchemas } from './operator-schemas.ts';

const run = promisify(execFile);

/** Go programs, by the name under which `go install` puts them. */
export const goPrograms = {
  helm: 'helm.sh/helm/v4/cmd/helm@v4.3.1',
  kubeconform: 'github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0',
  actionlint: 'github.com/rhysd/actionlint/cmd/actionlint@v1.7.12',
} as const;

/**
 * A schema registry in Go that speaks Confluent's API. `go install` would call it `schema-registry`, a name that others
 * have too, so it is built into a folder of its own.
 */
const axonops = {
  module: 'github.com/axonops/axonops-schema-registry',
  version: 'v0.2.1',
  package: 'cmd/schema-registry',
} as const;
const axonopsName = `axonops-schema-registry-${axonops.version}`;

/** In wheels that hold them: no Python of a certain version is needed to run the one and read the other. */
const wheels = {
  zizmor: 'zizmor==1.32.0',
  /** The JSON Schemas of Kubernetes, for kubeconform, which would otherwise fetch each from the network. */
  'kubernetes-schemas': 'kubernetes-validate==1.37.0',
} as const;

export type Program = keyof typeof goPrograms | 'zizmor';

/** The oldest release of Kubernetes that the chart accepts, and the newest one that the schemas know. */
export const kubernetesVersions = ['1.27.0', '1.37.0'] as const;

/** Of the machine, as the folder of Go is: a clone that is deleted does not take them with it. */
function toolsFolder(): string {
  const caches = process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache');
  return path.join(caches, 'outbox-relay-tools');
}

/** @returns undefined where it is not installed */
export function findProgram(name: Program): string | undefined {
  const onPath = (process.env.PATH ?? '').split(path.delimiter).filter(Boolean);
  const ofGo = process.env.GOBIN ?? path.join(process.env.GOPATH ?? path.join(homedir(), 'go'), 'bin');
  const folders = [...onPath, ofGo, path.join(toolsFolder(), 'zizmor', 'bin')];
  return folders.map((folder) => path.join(folder, name)).find((file) => existsSync(file));
}

/** The folder with the schemas of `kubernetesVersions`, as kubeconform reads them; undefined where they are not there. */
export function findSchemas(): string | undefined {
  const folder = path.join(toolsFolder(), 'kubernetes-schemas');
  return existsSync(folder) ? folder : undefined;
}

/** The folder with the schemas of what operators add to Kubernetes; undefined where they are not there. */
export function findOperatorSchemas(): string | undefined {
  const folder = path.join(toolsFolder(), operatorSchemas);
  return existsSync(folder) ? folder : undefined;
}

/** Undefined where it is not installed. */
export function findAxonopsRegistry(): string | undefined {
  const file = path.join(toolsFolder(), axonopsName, 'schema-registry');
  return existsSync(file) ? file : undefined;
}

/** Installs what is missing. @returns what could not be had, and why */
export async function installPrograms(onProgress: Progress): Promise<string[]> {
  const missing: string[] = [];
  for (const [name, module] of Object.entries(goPrograms)) {
    if (findProgram(name as Program) !== undefined) continue;
    onProgress(`go install ${module}`);
    await run('go', ['install', module], { maxBuffer: 64 * 1024 * 1024 }).catch((error) => {
      missing.push(`${name}: ${firstLine(error)}`);
    });
  }
  await fillOnce(path.join(toolsFolder(), axonopsName), axonopsName, buildAxonops, onProgress).catch(
    (error) => missing.push(`${axonopsName}: ${firstLine(error)}`),
  );
  const writeSchemas = ({ dir }: { readonly dir: string }, target: string) =>
    writeOperatorSchemas(dir, target);
  await fillOnce(path.join(toolsFolder(), operatorSchemas), operatorSchemas, writeSchemas, onProgress).catch(
    (error) => missing.push(`${operatorSchemas}: ${firstLine(error)}`),
  );
  const fill = async (name: keyof typeof wheels, script: string) => {
    const folder = path.join(toolsFolder(), name);
    await fillOnce(
      folder,
      wheels[name],
      async ({ dir }, target) => {
        onProgress(`pip download ${wheels[name]}`);
        await run('python3', [
          '-m',
          'pip',
          'download',
          '--quiet',
          '--no-deps',
          '--only-binary=:all:',
          '-d',
          dir,
          wheels[name],
        ]);
        await mkdir(target, { recursive: true });
        await run('python3', ['-c', script, dir, target, ...kubernetesVersions]);
      },
      onProgress,
    ).catch((error) => missing.push(`${name}: ${firstLine(error)}`));
  };
  await fill('zizmor', unpackProgram);
  await fill('kubernetes-schemas', unpackSchemas);
  return missing;
}

async function buildAxonops({ dir }: { readonly dir: string }, target: string): Promise<void> {
  await mkdir(target, { recursive: true });
  // A module that requires the version: `go install` also asks for the list of versions, which not every proxy has.
  await writeFile(
    path.join(dir, 'go.mod'),
    `module tools\n\ngo 1.24\n\nrequire ${axonops.module} ${axonops.version}\n`,
  );
  const args = ['build', '-mod=mod', '-o', target, `${axonops.module}/${axonops.package}`];
  await run('go', args, { cwd: dir, maxBuffer: 64 * 1024 * 1024 });
}

const unpackProgram = `
import glob, os, sys, zipfile
folder, target = sys.argv[1:3]
wheel = zipfile.ZipFile(glob.glob(folder + '/*.whl')[0])
os.mkdir(target + '/bin')
for name in wheel.namelist():
    if name.endswith('.data/scripts/zizmor'):
        with open(target + '/bin/zizmor', 'wb') as file: file.write(wheel.read(name))
        os.chmod(target + '/bin/zizmor', 0o755)
`;

const unpackSchemas = `
import glob, json, os, sys, zipfile
folder, target, *versions = sys.argv[1:]
wheel = zipfile.ZipFile(glob.glob(folder + '/*.whl')[0])
for name in wheel.namelist():
    for version in versions:
        part = '/v' + version + '-local-strict/'
        if part in name:
            os.makedirs(target + part, exist_ok=True)
            # They refer to each other on a server of that project; here they lie beside each other.
            schema = json.loads(wheel.read(name).replace(b'"/api/_definitions.json', b'"_definitions.json'))
            schema.pop('$id', None)
            with open(target + part + os.path.basename(name), 'w') as file: json.dump(schema, file)
`;

function firstLine(error: unknown): string {
  const text = error instanceof Error && 'stderr' in error ? String(error.stderr) : '';
  return (text.trim() || String(error)).split('\n')[0]!;
}
