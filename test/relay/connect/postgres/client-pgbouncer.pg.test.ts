import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Capture } from '../../../../relay/capture/capture.ts';
import { readSystem } from '../../../../relay/capture/server-identity.ts';
import { openClient } from '../../../../relay/connect/postgres/client.ts';
import { createPool } from '../../../../relay/connect/postgres/pool.ts';
import { asRelayError } from '../../../../relay/errors.ts';
import { type Finding, runChecks } from '../../../../relay/operations/check/finding.ts';
import { postgresChecks } from '../../../../relay/operations/check/postgres.ts';
import { pgbouncerProgram, startPgBouncer } from '../../../../stack/pgbouncer.ts';
import { createMigratedDatabase, type TestDatabase } from '../../../support/database.ts';
import { configOf } from '../../settings.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createMigratedDatabase();
});
afterAll(() => database.drop());

const named = 'PgBouncer, or a pooler like it, answers at this address';

/** Told to ignore what it does not know, as its documentation advises for drivers that send such parameters. */
const lenient = { ignore_startup_parameters: 'options,extra_float_digits,statement_timeout' };

describe.each([
  ['that pools sessions', { pool_mode: 'session' }],
  ['that pools transactions', { pool_mode: 'transaction' }],
  ['that pools sessions and drops options', { pool_mode: 'session', ...lenient }],
  ['that pools transactions and drops options', { pool_mode: 'transaction', ...lenient }],
])('a real PgBouncer %s', (_, settings) => {
  test('is recognised and named by whatever connects, and ends the relay', async ({ skip }) => {
    const program = pgbouncerProgram();
    if (program === undefined) return skip('PgBouncer is not installed: apt-get install pgbouncer');
    await using bouncer = await startPgBouncer(program, database.url, settings);
    const config = configOf({}, { databaseUrl: bouncer.url });
    const failures = await Promise.all(
      [openClient(config, 'test', 0), readSystem(config), Capture.open(config)].map((opening) =>
        opening.then(() => 'connected', asRelayError),
      ),
    );
    const refused = {
      code: 'POSTGRES_UNSUITABLE',
      class: 'stop',
      message: expect.stringContaining(named),
    };
    const all = failures.map(() => expect.objectContaining(refused));
    // From 1.23 on it passes replication on, with every option; but no relay does without the other connections.
    const passed = [all[0], 'connected', expect.objectContaining({ code: 'SLOT_MISSING' })];
    expect(failures).toEqual((await minorOf(program)) >= 23 ? passed : all);
    const pool = createPool(config);
    const found: Finding[] = [];
    for await (const finding of runChecks('postgres', postgresChecks, { pool, config }, 10_000))
      found.push(finding);
    await pool.end();
    const [first, ...rest] = found;
    expect(first).toMatchObject({ status: 'fail', message: expect.stringContaining(named) });
    expect(new Set(rest.map(({ status }) => status))).toEqual(new Set(['skipped']));
  });
});

/** Of 1.18.0 it is 18. */
async function minorOf(program: string): Promise<number> {
  const { stdout } = await promisify(execFile)(program, ['--version']);
  return Number(/PgBouncer 1\.(\d+)/.exec(stdout)?.[1]);
}
