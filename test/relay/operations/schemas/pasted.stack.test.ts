/** Subjects, versions and pasted schemas, on real servers. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { itemSchema } from '../../../../harness/item-schema.ts';
import { type Config, loadConfig } from '../../../../relay/config/config.ts';
import { checkPasted, tryPasted } from '../../../../relay/operations/schemas/pasted.ts';
import { comparePair, pageOfSubjects } from '../../../../relay/operations/schemas/subjects.ts';
import { registerSchema } from '../../../support/registry.ts';
import { World } from '../../world.ts';

let world: World;
let config: Config;
let subject: string;

const withFields = (...more: object[]) => ({ ...itemSchema, fields: [...itemSchema.fields, ...more] });
const optional = withFields({ name: 'colour', type: ['null', 'string'], default: null });
const required = withFields({ name: 'weight', type: 'int' });

beforeAll(async () => {
  world = await World.create(1);
  config = loadConfig({ env: world.env }).config;
  subject = `${world.topic}-test.ItemMoved`;
  await registerSchema(subject, optional);
  await fetch(`${config.registry.url}/config/${subject}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    body: '{"compatibility":"BACKWARD"}',
  });
});
afterAll(() => world?.[Symbol.asyncDispose]());

test('the list has the subjects of the naming only, and counts the others', async () => {
  await registerSchema(`other-${subject}`, itemSchema);
  const page = await pageOfSubjects(config, {}, 10);
  expect(page).toMatchObject({ total: 1, next: null, subjects: [{ subject, versions: [1, 2] }] });
  expect(page.others).toBeGreaterThan(0);
  expect(await pageOfSubjects(config, { like: 'nothing-like-that' }, 10)).toMatchObject({ total: 0 });
});

test('two versions: what changed, and whom it affects', async () => {
  expect(await comparePair(config, subject, {})).toMatchObject({
    before: { version: 1 },
    after: { version: 2 },
    differences: [{ path: '$.colour', kind: 'added' }],
    findings: [],
  });
  expect(await comparePair(config, subject, { before: 2, after: 2 })).toMatchObject({ differences: [] });
  await expect(comparePair(config, subject, { after: 9 })).rejects.toThrow('has no version 9');
  await expect(comparePair(config, `${subject}x`, {})).rejects.toThrow('no subject');
});

test('a pasted schema is judged, and stays unregistered', async () => {
  const text = JSON.stringify(required, undefined, 2);
  const checked = await checkPasted(config, { subject, text });
  expect(checked).toMatchObject({ status: 'incompatible' });
  expect(checked.findings).toContainEqual(expect.objectContaining({ path: '$.weight', breaks: 'producers' }));
  expect(await checkPasted(config, { subject, text: JSON.stringify(optional) })).toMatchObject({
    status: 'unchanged',
  });
  await expect(checkPasted(config, { subject, text: '{"type": "record",' })).rejects.toMatchObject({
    code: 'SCHEMA_INVALID',
  });
  expect((await comparePair(config, subject, {})).versions).toEqual([1, 2]);
});

test('recent rows that a pasted schema refuses are counted, and others are left alone', async () => {
  await world.pool.query(
    `insert into outbox.event (aggregatetype, aggregateid, type, payload)
     select 'item', 'a', case when n = 3 then 'test.Other' else 'test.ItemMoved' end, $1 from generate_series(1, 3) as n`,
    [JSON.stringify({ key: 'a', seq: 1 })],
  );
  const seen: number[] = [];
  const trying = (schema: object, signal = new AbortController().signal) =>
    tryPasted({
      config,
      pasted: { subject, text: JSON.stringify(schema) },
      limit: 100,
      failuresMax: 1,
      signal,
      onProgress: (rows) => seen.push(rows),
    });
  const refused = await trying(required);
  expect(refused).toMatchObject({ read: 3, rows: 2, failed: 2 });
  expect(refused.types[0]!.failures).toMatchObject([{ code: 'PAYLOAD_INVALID', path: '$.weight' }]);
  expect(await trying(optional)).toMatchObject({ rows: 2, failed: 0 });
  expect(seen).toEqual([3, 3]);
  await expect(trying(optional, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
});

test('the registry away is an error and never an empty list', async () => {
  const away = { ...config, registry: { ...config.registry, url: 'http://127.0.0.1:1' } };
  await expect(pageOfSubjects(away, {}, 10)).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
});
