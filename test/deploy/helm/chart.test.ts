import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { chartFolder, documentedValues, leafPaths } from '../../../deploy/helm/chart.ts';
import manifest from '../../../package.json' with { type: 'json' };
import { documentedMetrics } from '../../../relay/observe/metrics.ts';

const values = await readFile(join(chartFolder, 'values.yaml'), 'utf8');

test('every value is described', () => {
  const described = documentedValues(values).map(({ path }) => path);
  const isDescribed = (leaf: string) =>
    described.some((path) => leaf === path || leaf.startsWith(`${path}.`));
  expect(leafPaths(values).filter((leaf) => !isDescribed(leaf))).toEqual([]);
});

test('a description belongs to the value below it', () => {
  const text = '# -- one\na: 1\nb:\n  # -- two\n  c: []\n  d: x\n# -- three\ne: { f: 1 }\n';
  expect(documentedValues(text)).toEqual([
    { path: 'a', text: 'one', fallback: '`1`' },
    { path: 'b.c', text: 'two', fallback: '`[]`' },
    { path: 'e', text: 'three', fallback: '`{"f":1}`' },
  ]);
  expect(leafPaths(text)).toEqual(['a', 'b.c', 'b.d', 'e.f']);
});

test('chart and relay have one version', async () => {
  const chart = await readFile(join(chartFolder, 'Chart.yaml'), 'utf8');
  expect(chart).toContain(`\nversion: ${manifest.version}\nappVersion: ${manifest.version}\n`);
});

test('the examples for KEDA ask for metrics and labels that the relay has', async () => {
  const folder = join(chartFolder, '../../keda');
  const queries = await Promise.all(
    globSync('*.yaml', { cwd: folder }).map(async (file) => {
      const { spec } = parse(await readFile(join(folder, file), 'utf8'));
      return spec.triggers.flatMap(({ metadata }: { metadata: { query?: string } }) => metadata.query ?? []);
    }),
  );
  const metrics = documentedMetrics();
  expect(queries.flat().length).toBeGreaterThan(0);
  for (const query of queries.flat())
    for (const [, name, labels] of query.matchAll(/(outbox_relay_\w+)\{([^}]*)\}/g)) {
      const metric = metrics.find((each) => each.name === name);
      expect(metric, name).toBeDefined();
      for (const [, label] of labels.matchAll(/(\w+)=/g)) expect(metric!.labels).toContain(label);
    }
});
