import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { chartFiles } from '../../deploy/helm/chart.ts';

test('what the chart has from elsewhere is up to date: npm run docs writes it', async () => {
  for (const { file, text } of await chartFiles()) expect(await readFile(file, 'utf8'), file).toBe(text);
});
