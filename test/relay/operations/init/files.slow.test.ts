/** What the tools that read the files of `init` say of them. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { chartFolder } from '../../../../deploy/helm/chart.ts';
import { localAddresses } from '../../../../relay/operations/init/files.ts';
import { init } from '../../../../relay/operations/init/init.ts';
import { programOrSkip } from '../../../support/tools.ts';

const run = promisify(execFile);
const answers = {
  slot: 'orders',
  format: 'avro',
  aggregate: 'order',
  event: 'OrderPlaced',
  namespace: 'shop.order',
} as const;

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'init-files-'));
  await init({ project: { ...localAddresses, ...answers }, directory, replaces: false });
});
afterAll(() => rm(directory, { recursive: true }));

test('actionlint and zizmor find nothing in the job', async (context) => {
  const [actionlint, zizmor] = [programOrSkip(context, 'actionlint'), programOrSkip(context, 'zizmor')];
  const workflow = path.join(directory, '.github/workflows/schemas.yml');
  expect((await run(actionlint, ['-shellcheck=', '-pyflakes=', workflow])).stdout).toBe('');
  const options = ['--offline', '--persona=pedantic', '--min-severity=medium', '--no-progress'];
  await run(zizmor, [...options, workflow]); // rejects with what it found
});

test('the job pins the actions that this repository pins', async () => {
  const uses = (text: string) =>
    [...text.matchAll(/uses: (actions\/\S+@[0-9a-f]{40} # \S+)$/gm)].map(([, use]) => use);
  const ours = uses(
    await readFile(path.join(import.meta.dirname, '../../../../.github/workflows/ci.yml'), 'utf8'),
  );
  const theirs = uses(await readFile(path.join(directory, '.github/workflows/schemas.yml'), 'utf8'));
  expect(theirs).toHaveLength(2);
  expect(ours).toEqual(expect.arrayContaining(theirs));
});

test.for([
  ['of this machine', localAddresses.registryUrl, ['DATABASE_URL']],
  ['that hold secrets', 'https://relay:sesame@registry.example', ['DATABASE_URL', 'SCHEMA_REGISTRY_URL']],
] as const)('the chart takes the values, with addresses %s', async ([, registryUrl, variables], context) => {
  const helm = programOrSkip(context, 'helm');
  const project = { ...localAddresses, ...answers, registryUrl };
  await init({ project, directory, replaces: true });
  const values = path.join(directory, 'kubernetes/values.yaml');
  const { stdout } = await run(helm, ['template', 'orders', chartFolder, '--values', values]);
  const objects = parseAllDocuments(stdout).map((document) => document.toJS());
  const config = objects.find((each) => each?.kind === 'ConfigMap').data['relay.yaml'];
  expect(config).not.toMatch(/127\.0\.0\.1|sesame/);
  const [container] = objects.find((each) => each?.kind === 'Deployment').spec.template.spec.containers;
  const secrets = container.env.filter((each: { valueFrom?: object }) => each.valueFrom !== undefined);
  expect(secrets.map((each: { name: string }) => each.name)).toEqual(expect.arrayContaining([...variables]));
});
