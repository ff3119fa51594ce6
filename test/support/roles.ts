/** Owns the roles of migrations/roles.sql in a database of a test, and logins that have the rights of one of them only. */
import { readFile } from 'node:fs/promises';
import type pg from 'pg';
import { unique } from './unique.ts';

export const rolesFile = new URL('../../migrations/roles.sql', import.meta.url);

export async function applyRoles(client: pg.Client | pg.Pool): Promise<void> {
  await client.query(await readFile(rolesFile, 'utf8'));
}

export type Login = {
  readonly role: string;
  readonly url: string;
  /** The environment of a process that logs in so. */
  readonly env: { readonly DATABASE_URL: string };
  /** With all that was granted to it. A role outlives its database. */
  drop(): Promise<void>;
};

/** @param as what CREATE ROLE says of it, as `in role outbox_operator` */
export async function makeLogin(
  { pool, url }: { readonly pool: pg.Pool; readonly url: string },
  as: string,
): Promise<Login> {
  const role = unique('login');
  await pool.query(`create role ${role} login password 'sesame' ${as}`);
  const own = new URL(url);
  [own.username, own.password] = [role, 'sesame'];
  return {
    role,
    url: own.href,
    env: { DATABASE_URL: own.href },
    async drop() {
      await pool.query(`drop owned by ${role}; drop role ${role}`);
    },
  };
}

/** Applies roles.sql, and makes a login that has the rights of an operator and no others. */
export async function makeOperator(database: {
  readonly pool: pg.Pool;
  readonly url: string;
}): Promise<Login> {
  await applyRoles(database.pool);
  return makeLogin(database, 'in role outbox_operator');
}
