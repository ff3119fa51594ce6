import { expect, test } from 'vitest';
import { startRegistry } from '../../stack/registry.ts';
import { freeze } from '../support/freeze.ts';
import { registerSchema } from '../support/registry.ts';
import { servers } from '../support/servers.ts';
import { unique } from '../support/unique.ts';

test('the registry registers a schema and hands it out by its id', async () => {
  const name = unique('Order');
  const schema = { type: 'record', name, fields: [{ name: 'total', type: 'long' }] };
  const id = await registerSchema(name, schema);
  const { registryUrl } = await servers();
  const response = await fetch(`${registryUrl}/schemas/ids/${id}`);
  const body: { schema: string } = JSON.parse(await response.text());
  expect(JSON.parse(body.schema)).toEqual(schema);
});

test('a stopped registry does not answer, and has its schemas when it goes on', async () => {
  await using registry = await startRegistry({ quickStart: true });
  await freeze(registry);
  await expect(fetch(`${registry.url}/subjects`, { signal: AbortSignal.timeout(300) })).rejects.toThrow(
    /timeout/,
  );
  registry.kill('SIGCONT');
  const response = await fetch(`${registry.url}/subjects`);
  expect(await response.json()).toEqual([]);
});
