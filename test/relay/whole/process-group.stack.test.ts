/** Ctrl-C, as a terminal and a wrapper such as npx turn it into two signals, at the commands that take a while. */
import path from 'node:path';
import { expect, test } from 'vitest';
import { nodeFlags } from '../../../relay/config/node-flags.ts';
import { Gate } from '../../support/gate.ts';
import { ProcessGroup } from '../../support/process-group.ts';
import { untilCovered } from '../replay/world.ts';
import { World } from '../world.ts';

const main = path.join(import.meta.dirname, '../../../relay/main.ts');

const slots = (world: World) =>
  world.pool.query('select from pg_replication_slots where slot_name = $1', [world.slot]);

test('ends each of them as documented', async () => {
  await using world = await World.create(1);
  using listed = new Gate();
  using created = new Gate();
  const start = (failpoint: string, ...args: readonly string[]) =>
    new ProcessGroup([...nodeFlags, main, ...args], {
      ...world.env,
      OUTBOX_RELAY_AUDIT_HTTP_PORT: '0',
      ...(failpoint === '' ? {} : { OUTBOX_RELAY_FAILPOINT: failpoint }),
    });

  await using relay = start('', 'run');
  await relay.hears(/"state":"streaming"/);
  await using audit = start('', 'audit');
  await world.read(await world.write([{ key: 'a', seq: 0 }]));
  await untilCovered(world);
  await audit.hears(/"msg":"auditing"/);
  for (const service of [relay, audit]) service.signal('SIGINT');
  for (const service of [relay, audit]) expect(await service.ended, service.said.join('\n')).toBe(0);
  await relay.hears(/"msg":"stopped"/);

  await using replay = start(
    `REPLAY_LISTED:1:${listed.closed}`,
    'replay',
    '--all',
    '--reason',
    'a test',
    '--yes',
  );
  await replay.hears(/reached/);
  replay.signal('SIGINT');
  await replay.hears(/passed on/);
  listed.open();
  expect(await replay.ended, replay.said.join('\n')).toBe(1);
  const { rows } = await world.pool.query('select state from outbox.replay');
  expect(rows).toEqual([{ state: 'stopped' }]);

  await world.pool.query('select pg_drop_replication_slot($1)', [world.slot]);
  await using recover = start(`SLOT_CREATED:1:${created.closed}`, 'recover');
  await recover.hears(/reached/);
  expect((await slots(world)).rowCount).toBe(1);
  recover.signal('SIGINT');
  await recover.hears(/passed on/);
  created.open();
  expect(await recover.ended, recover.said.join('\n')).toBe(1);
  await recover.hears(/^result +interrupted/);
  expect((await slots(world)).rowCount).toBe(0);
});
