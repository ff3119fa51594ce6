import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readOperatorRights } from '../../../relay/operations/operator-rights.ts';
import { createDatabase, createMigratedDatabase, type TestDatabase } from '../../support/database.ts';
import { unique } from '../../support/unique.ts';
import { configOf } from '../settings.ts';

let database: TestDatabase;
const name = unique('person').replaceAll('-', '_');

beforeAll(async () => {
  database = await createMigratedDatabase();
  await database.pool.query(
    await readFile(join(import.meta.dirname, '../../../migrations/roles.sql'), 'utf8'),
  );
  await database.pool.query(`create role ${name} login password 'sesame'`);
});
afterAll(async () => {
  await database.pool.query(`drop owned by ${name}; drop role ${name}`);
  await database.drop();
});

const rightsOf = () => {
  const url = new URL(database.url);
  [url.username, url.password] = [name, 'sesame'];
  return readOperatorRights(configOf({}, { databaseUrl: url.href }));
};

test('of an operator nothing is missing, of anybody else every action', async () => {
  await database.pool.query(`grant usage on schema outbox to ${name}`);
  const { role, missing } = await rightsOf();
  expect(role).toBe(name);
  expect(missing).toHaveLength(6);
  expect(missing).toContain('outbox.pause');
  await database.pool.query(`grant outbox_operator to ${name}`);
  expect(await rightsOf()).toEqual({ role: name, missing: [] });
});

test('where nothing is migrated, everything is missing', async () => {
  await using empty = await createDatabase();
  const { missing } = await readOperatorRights(configOf({}, { databaseUrl: empty.url }));
  expect(missing).toHaveLength(6);
});
