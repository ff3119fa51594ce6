/** The alert rules as the chart installs them. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { manifestsOf, rendered } from '../../../deploy/helm/render.ts';
import { programsOrSkip } from '../../support/prometheus.ts';
import { programOrSkip } from '../../support/tools.ts';

test('promtool accepts the rules of the PrometheusRule', async (context) => {
  const helm = programOrSkip(context, 'helm');
  const { promtool } = await programsOrSkip(context);
  const manifests = manifestsOf(await rendered(helm, 'production'));
  const rule = manifests.find(({ kind }) => kind === 'PrometheusRule')!;
  const folder = await mkdtemp(join(tmpdir(), 'rules-'));
  try {
    const file = join(folder, 'rules.json');
    await writeFile(file, JSON.stringify(rule.spec));
    const { stdout } = await promisify(execFile)(promtool, ['check', 'rules', file]);
    expect(stdout).toMatch(/SUCCESS: \d+ rules found/);
  } finally {
    await rm(folder, { recursive: true });
  }
});
