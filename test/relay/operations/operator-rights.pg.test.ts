/** Whatever a role lacks is named, with what it cannot do and what gives it the right. The GRANTs are run, and suffice. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fixesFor, readOperatorRights } from '../../../relay/operations/operator-rights.ts';
import { operatorWork, rightsOfOperators } from '../../../relay/operations/operator-work.ts';
import { createDatabase, createMigratedDatabase, type TestDatabase } from '../../support/database.ts';
import { applyRoles, type Login, makeLogin } from '../../support/roles.ts';
import { configOf } from '../settings.ts';

let database: TestDatabase;
let person: Login;

beforeAll(async () => {
  database = await createMigratedDatabase();
  await applyRoles(database.pool);
  person = await makeLogin(database, '');
});
afterAll(async () => {
  await person?.drop();
  await database?.drop();
});

const rightsOf = (url = person.url, table?: string) =>
  readOperatorRights(configOf(table === undefined ? {} : { OUTBOX_TABLE: table }, { databaseUrl: url }));

test('of an operator nothing is missing, of anybody else everything, until the fixes are run', async () => {
  const { role, missing, cannot, fixes } = await rightsOf();
  expect(role).toBe(person.role);
  expect(missing).toHaveLength(rightsOfOperators().length);
  expect(cannot).toEqual(operatorWork.map(({ does }) => does));
  expect(fixes).toEqual([`GRANT outbox_operator TO ${person.role};`]);
  await database.pool.query(fixes.join(' '));
  expect(await rightsOf()).toEqual({
    role: person.role,
    isMember: true,
    isNothingThere: false,
    missing: [],
    cannot: [],
    fixes: [],
  });
});

test('a right that outbox_operator lost, or an earlier release never gave it, is named with its GRANT', async () => {
  await database.pool.query(
    `revoke select on outbox.event, outbox.removal from outbox_operator;
     revoke execute on function outbox.pause(text, text, text, bigint, text, text) from outbox_operator`,
  );
  const { missing, cannot, fixes } = await rightsOf();
  expect(missing).toEqual([
    'select on outbox.event',
    'select on outbox.removal',
    'execute on outbox.pause(text, text, text, bigint, text, text)',
  ]);
  expect(cannot).toEqual([
    'find events',
    'try recent rows with new schemas',
    'verify: compare the table with the topics',
    'pause, resume and limit the relay',
  ]);
  await database.pool.query(fixes.join(' '));
  expect((await rightsOf()).missing).toEqual([]);
});

test('a member that does not inherit is told so', async () => {
  await database.pool.query(
    `revoke outbox_operator from ${person.role}; alter role ${person.role} noinherit; grant outbox_operator to ${person.role}`,
  );
  const { isMember, missing, fixes } = await rightsOf();
  expect([isMember, missing.length]).toEqual([true, rightsOfOperators().length]);
  expect(fixes).toEqual([expect.stringContaining('WITH INHERIT TRUE')]);
  await database.pool.query(
    `revoke outbox_operator from ${person.role}; alter role ${person.role} inherit; grant outbox_operator to ${person.role}`,
  );
  expect((await rightsOf()).missing).toEqual([]);
});

test('of an outbox table of your own the rights on that one are asked for, as roles.sql does not know it', async () => {
  await database.pool.query('create schema shop; create table shop."Messages" (id uuid)');
  const { missing, fixes } = await rightsOf(person.url, 'shop.Messages');
  expect(missing).toEqual(['usage on schema shop', 'select on shop.Messages', 'insert on shop.Messages']);
  await database.pool.query(fixes.join(' '));
  expect((await rightsOf(person.url, 'shop.Messages')).missing).toEqual([]);
});

test('where nothing is migrated, everything is missing, and the first step is to migrate', async () => {
  await using empty = await createDatabase();
  const { missing, fixes } = await rightsOf(empty.url);
  expect(missing).toHaveLength(rightsOfOperators().length);
  expect(fixes[0]).toContain('outbox-relay migrate');
});

test('a role with a name of its own is quoted, and a server without the roles is pointed to roles.sql', () => {
  const facts = { role: 'Anna "x"', hasGroup: false, isMember: false, inherits: false, absent: 0 };
  expect(fixesFor(facts, [])).toEqual([
    'run `outbox-relay migrate --roles`, as the owner',
    'GRANT outbox_operator TO "Anna ""x""";',
  ]);
});
