/** Row-level security on the outbox: what would hide rows is refused, and a policy that shows them all is a way on. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { connectForAudit, readDeadLetters, readTable } from '../../../relay/audit/read-table.ts';
import { type Config, configSchema } from '../../../relay/config/schema.ts';
import { inTransaction, takeTurn } from '../../../relay/operations/dead-letters/transaction.ts';
import { applyRoles, type Login, makeLogin } from '../../support/roles.ts';
import { idOf, World } from '../world.ts';

let world: World;
let login: Login;

beforeAll(async () => {
  world = await World.create(1);
  await applyRoles(world.pool);
  login = await makeLogin(world.database, 'replication in role outbox_relay, outbox_operator');
});
afterAll(async () => {
  await login?.drop();
  await world?.[Symbol.asyncDispose]();
});

const run = (...args: string[]) => world.commandWith(login.env, ...args);

async function relayUntil(ids: readonly string[]): Promise<string[]> {
  const relay = world.startRelay({}, login.env);
  await relay.streaming();
  const records = await world.read(ids);
  relay.signal('SIGTERM');
  await relay.exited;
  return records.map(idOf);
}

test('verify, recover and schemas test refuse to work on what it hides, and a policy lets nothing be lost', async () => {
  await relayUntil([]);
  const first = await world.write([1, 2, 3].map((seq) => ({ key: 'k', seq })));
  expect(await relayUntil(first)).toEqual(first);
  expect((await run('check')).stdout).toContain('row-level security: hides no rows from this role');

  await world.pool.query('alter table outbox.event enable row level security');
  const checked = await run('check');
  expect(checked.code).toBe(1);
  expect(checked.stdout).toContain('row-level security: may hide rows of outbox.event');
  const second = await world.write([4, 5].map((seq) => ({ key: 'k', seq })));
  await world.pool.query('select pg_drop_replication_slot($1)', [world.slot]);
  for (const args of [['verify'], ['schemas', 'test'], ['recover', '--dry-run'], ['recover']]) {
    const refused = await run(...args);
    expect(refused, args.join(' ')).toMatchObject({
      code: 77,
      stderr: expect.stringMatching(/POSTGRES_ROWS_HIDDEN: .*"event"[\s\S]*migrate --roles/),
    });
  }

  // One that shows some rows is no way on.
  await world.pool.query(
    `create policy partly on outbox.event to outbox_relay using (aggregateid = 'other'); grant select on outbox.event to outbox_relay`,
  );
  expect(await run('verify')).toMatchObject({ code: 77 });
  await world.pool.query('drop policy partly on outbox.event');
  await applyRoles(world.pool);
  expect((await run('check')).stdout).toContain(
    'enabled on outbox.event; a policy shows this role every row',
  );
  const restricted = 'create policy partly on outbox.event as restrictive to outbox_relay using (false)';
  await world.pool.query(restricted);
  expect(await run('verify')).toMatchObject({ code: 77 });
  await world.pool.query('drop policy partly on outbox.event');

  expect(await run('recover')).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/2 events published/),
  });
  expect(await relayUntil(second)).toEqual([...first, ...second]);
  // The marks of this test's own reading are findings, and are no concern of it.
  const verified = JSON.parse((await run('verify', '--json', '--wait-seconds', '0')).stdout);
  expect(verified).toMatchObject({ events: 5, findings: { missing: { count: 0 } } });
});

test('dead letters that it hides are not called none', async () => {
  await world.pool.query('alter table outbox.dead_letter enable row level security');
  const hidden = { code: 77, stderr: expect.stringContaining('POSTGRES_ROWS_HIDDEN') };
  expect(await run('dead-letters', 'list')).toMatchObject(hidden);
  expect(await run('dead-letters', 'discard', '--all', '--reason', 'x', '--yes')).toMatchObject(hidden);
  expect(await run('status')).toMatchObject(hidden);
  await applyRoles(world.pool);
  expect(await run('dead-letters', 'list')).toMatchObject({ code: 0 });
  await world.pool.query('alter table outbox.dead_letter disable row level security');
});

const hide = (table: string) =>
  world.pool.query(
    `alter table ${table} enable row level security; drop policy if exists outbox_relay on ${table}`,
  );
const show = (table: string) => world.pool.query(`alter table ${table} disable row level security`);

test('a read after which a table hides rows, in a session to which all was shown, is refused', async () => {
  const hidden = { code: 'POSTGRES_ROWS_HIDDEN' };
  const config: Config = configSchema.parse({
    slot: { name: world.slot },
    database: { url: login.url },
    kafka: { brokers: ['127.0.0.1:1'], progressTopic: world.progressTopic },
    registry: { url: 'http://127.0.0.1:1' },
    topics: { template: world.topic, allow: [world.topic], create: false },
  });
  await world.pool.query('alter table outbox.dead_letter enable row level security');
  await applyRoles(world.pool);
  const client = await connectForAudit(config);
  try {
    await hide('outbox.event');
    await expect(
      readTable(
        client,
        config,
        () => {},
        () => {},
      ),
    ).rejects.toMatchObject(hidden);
    await show('outbox.event');
    // The snapshot is of before, and the rows are read after.
    const hideLater = async () => void (await hide('outbox.event'));
    await expect(readTable(client, config, hideLater, () => {})).rejects.toMatchObject(hidden);
    await show('outbox.event');
    await expect(
      readTable(
        client,
        config,
        () => {},
        () => {},
      ),
    ).resolves.toBe(0);
    await hide('outbox.dead_letter');
    await expect(
      readDeadLetters(client, config, { systemIdentifier: '', resubmissions: new Set() }, () => {}),
    ).rejects.toMatchObject(hidden);
  } finally {
    await client.end();
  }
  await applyRoles(world.pool);
  const work = inTransaction(config, async (client) => {
    await hide('outbox.dead_letter');
    await takeTurn(client, config.slot.name);
    return (await client.query('select from outbox.dead_letter')).rowCount;
  });
  await expect(work).rejects.toMatchObject(hidden);
  await show('outbox.dead_letter');
});

test('recover, which waited for its slot, takes nothing that is hidden by then for absent', async () => {
  await relayUntil([]);
  await world.pool.query('alter table outbox.event enable row level security');
  await applyRoles(world.pool);
  const written = await world.write([{ key: 'k', seq: 6 }]);
  await world.pool.query('select pg_drop_replication_slot($1)', [world.slot]);
  const writer = await world.pool.connect();
  await writer.query('begin; select txid_current()');
  const recovering = run('recover');
  // The making of a slot waits for every transaction that is open.
  await vi.waitUntil(async () => {
    const { rowCount } = await world.pool.query(
      `select from pg_stat_activity where datname = current_database() and wait_event = 'transactionid'`,
    );
    return rowCount === 1;
  }, 30_000);
  await hide('outbox.event');
  await writer.query('commit');
  writer.release();
  expect(await recovering).toMatchObject({
    code: 77,
    stderr: expect.stringMatching(/POSTGRES_ROWS_HIDDEN: .*outbox\.event/),
  });
  await show('outbox.event');
  expect(await run('recover')).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/1 events? published/),
  });
  expect(await relayUntil(written)).toEqual(expect.arrayContaining(written));
});
