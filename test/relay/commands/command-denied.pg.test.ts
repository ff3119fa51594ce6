/** A command of people that Postgres denies names the role that it takes, not what the role of the relay might lack. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeLogin } from '../../support/roles.ts';
import { runCli } from './cli.ts';
import { openRelayDatabase, type RelayDatabase } from './outbox.ts';

let relay: RelayDatabase;
beforeAll(async () => {
  relay = await openRelayDatabase();
});
afterAll(() => relay[Symbol.asyncDispose]());

test.each([
  ['dead-letters list', ['dead-letters', 'list']],
  ['pause', ['pause', '--reason', 'test', '--by', 'ada']],
])('`%s` with the role of the relay says which role it needs, and which it ran with', async (name, args) => {
  const { code, stderr } = await runCli(args, relay.env);
  const role = new URL(relay.env.DATABASE_URL!).username;
  expect(code).toBe(77);
  expect(stderr).toContain('POSTGRES_UNAUTHORIZED');
  expect(stderr).toContain(
    `\`outbox-relay ${name}\` needs the rights of outbox_operator, and it ran with role ${role}`,
  );
  expect(stderr).not.toContain('migrate --roles');
});

test('an operator that lacks one right is told that right, and the GRANT', async () => {
  const person = await makeLogin(relay, 'in role outbox_operator');
  try {
    await relay.pool.query('revoke select on outbox.dead_letter_action from outbox_operator');
    const { code, stderr } = await runCli(['dead-letters', 'list'], { ...relay.env, ...person.env });
    expect(code).toBe(77);
    expect(stderr).toContain(
      `It ran with role ${person.role}, which lacks select on outbox.dead_letter_action.`,
    );
    expect(stderr).toContain('GRANT SELECT ON outbox.dead_letter_action TO outbox_operator;');
  } finally {
    await person.drop();
  }
});
