import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import manifest from '../../package.json' with { type: 'json' };

const root = join(import.meta.dirname, '../..');
const names = [...globSync('.github/workflows/*.yml', { cwd: root }), 'action.yml'].toSorted();
const files = await Promise.all(
  names.map(async (name) => ({ name, text: await readFile(join(root, name), 'utf8') })),
);

type Step = { readonly uses?: string; readonly run?: string; readonly with?: Record<string, unknown> };
type Job = { readonly uses?: string; readonly permissions?: object; readonly steps?: readonly Step[] };
type Workflow = {
  readonly on: Record<string, unknown>;
  readonly permissions: object;
  readonly jobs: Record<string, Job>;
};

const workflows = files
  .filter(({ name }) => name !== 'action.yml')
  .map(({ name, text }) => ({ name, workflow: parse(text) as Workflow }));
const stepsOf = ({ jobs }: Workflow) => Object.values(jobs).flatMap(({ steps = [] }) => steps);

test('there are the workflows that the guides name', () => {
  expect(names).toEqual(['.github/workflows/ci.yml', '.github/workflows/release.yml', 'action.yml']);
});

test.each(files)('$name pins every action to a commit, with its version beside it', ({ text }) => {
  const used = [...text.matchAll(/^ +(?:- )?uses: (.+)$/gm)].map(([, what]) => what!);
  expect(used.length).toBeGreaterThan(0);
  for (const what of used.filter((each) => !each.startsWith('./')))
    expect(what).toMatch(/^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
});

test('one version of an action everywhere', () => {
  const versions = new Map<string, string>();
  for (const [, action, commit] of files.flatMap(({ text }) => [
    ...text.matchAll(/uses: ([\w/-]+)@(.+)$/gm),
  ])) {
    expect(versions.get(action!) ?? commit, action).toBe(commit);
    versions.set(action!, commit!);
  }
});

test.each(files)('$name puts no expression into a script', ({ text }) => {
  const scripts = [...text.matchAll(/^( +)(?:- )?run: (.*(?:\n\1 .*)*)/gm)].map(([, , script]) => script!);
  for (const script of scripts) expect(script).not.toContain('${{');
});

describe.each(workflows)('$name', ({ workflow }) => {
  test('has no right but those that each job names', () => {
    expect(workflow.permissions).toEqual({});
    for (const [name, { permissions }] of Object.entries(workflow.jobs))
      expect(permissions, name).toBeDefined();
  });

  test('never runs what a pull request brings with rights of the repository', () => {
    expect(Object.keys(workflow.on)).not.toContain('pull_request_target');
    expect(Object.keys(workflow.on)).not.toContain('workflow_run');
  });

  test('leaves no credentials in the checkout', () => {
    for (const step of stepsOf(workflow).filter(({ uses }) => uses?.startsWith('actions/checkout@')))
      expect(step.with).toMatchObject({ 'persist-credentials': false });
  });

  test('runs only npm scripts that exist', () => {
    for (const { run = '' } of stepsOf(workflow))
      for (const [, script] of run.matchAll(/\bnpm run ([\w:-]+)/g))
        expect(Object.keys(manifest.scripts)).toContain(script);
  });
});

test('a release builds without a cache that others could have filled', () => {
  const release = files.find(({ name }) => name.endsWith('release.yml'))!;
  expect(release.text).not.toMatch(/cache-from|actions\/cache@/);
  const { workflow } = workflows.find(({ name }) => name.endsWith('release.yml'))!;
  for (const step of stepsOf(workflow).filter(({ uses }) => uses?.startsWith('actions/setup-node@')))
    expect(step.with).toMatchObject({ 'package-manager-cache': false });
});
