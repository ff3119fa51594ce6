/** A running relay whose configuration changes: by SIGHUP, and by a file that is swapped as Kubernetes does it. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { registerSchema } from '../../support/registry.ts';
import { servers } from '../../support/servers.ts';
import { World } from '../world.ts';

/** A directory with a file behind two links, of which the inner one is replaced. */
function configMap() {
  const directory = mkdtempSync(path.join(tmpdir(), 'config-map-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  let versions = 0;
  const file = path.join(directory, 'relay.yaml');
  const put = (text: string) => {
    const own = `..${++versions}`;
    mkdirSync(path.join(directory, own));
    writeFileSync(path.join(directory, own, 'relay.yaml'), text);
    symlinkSync(own, path.join(directory, '..next'));
    renameSync(path.join(directory, '..next'), path.join(directory, '..data'));
  };
  put('');
  symlinkSync(path.join('..data', 'relay.yaml'), file);
  return { file, put };
}

test('settings change while the relay streams, an invalid file changes nothing, and what needs a restart is named', async () => {
  await using world = await World.create(1);
  const { file, put } = configMap();
  const relay = world.startRelay({ CONFIG: file });
  await relay.streaming();
  const poison = (key: string) => [
    { key, seq: 'no' } as unknown as { key: string; seq: number },
    { key, seq: 1 },
  ];
  const metric = (name: string, label?: string) => relay.metric(`outbox_relay_${name}`, label);

  // By the swap of a link: without a signal.
  put('deadLetters:\n  policy: park-key\n');
  const line = await relay.line(({ msg }) => msg === 'settings changed');
  expect(line.applied).toEqual(['deadLetters.policy']);
  await world.write(poison('parked'));
  await relay.line(({ msg, codes }) => msg === 'stored dead letters' && 'KEY_PARKED' in (codes as object));
  expect(await metric('dead_letters_total', 'code="KEY_PARKED"')).toBe(1);

  // By the signal: at once.
  put('deadLetters:\n  policy: halted\nlog:\n  level: debug\n');
  relay.signal('SIGHUP');
  const refused = await relay.line(({ level }) => level === 'error');
  expect(refused.err?.code).toBe('CONFIG_INVALID');
  expect(await metric('config_last_reload_successful')).toBe(0);
  put('log:\n  level: debug\npublish:\n  maxEventsPerSecond: 500\n  lingerMs: 9\n');
  relay.signal('SIGHUP');
  const restart = await relay.line(({ needRestart }) => needRestart !== undefined);
  expect(restart.needRestart).toEqual(['publish.lingerMs']);
  expect(relay.lines.find(({ applied }) => (applied as string[] | undefined)?.length === 3)?.applied).toEqual(
    ['publish.maxEventsPerSecond', 'deadLetters.policy', 'log.level'],
  );
  expect(await metric('config_last_reload_successful')).toBe(1);
  expect(await metric('config_restart_needed')).toBe(1);
  expect(await metric('config_reloads_total', 'result="applied"')).toBe(2);
  expect(await metric('config_reloads_total', 'result="rejected"')).toBe(1);
  // The policy is the default again: the second event of a key does not wait.
  const [, follower] = await world.write(poison('free'));
  const records = await world.read([follower!]);
  expect(records).toHaveLength(1);
  await expect.poll(() => metric('rate_limit_events_per_second')).toBe(500);

  // From now on only one component says how it goes: the end is a line, and the change of settings is the last before.
  expect(relay.lines.every(({ component }) => component !== undefined)).toBe(true);
  put('log:\n  level: fatal\n  levels: { publish: debug }\n');
  relay.signal('SIGHUP');
  await expect.poll(() => metric('config_reloads_total', 'result="applied"')).toBe(3);
  put('log:\n  level: fatal\n  levels: { relay: info }\n');
  relay.signal('SIGHUP');
  const again = await relay.line(({ applied }) => String(applied) === 'log.levels');
  expect(again).toMatchObject({ component: 'relay', level: 'info' });
});

test('a bad version of a schema is undone as the guide says: held at the good one, then at once the corrected one', async () => {
  await using world = await World.create(1);
  const { registryUrl } = await servers();
  const subject = `${world.topic}-test.ItemMoved`;
  const answer = await fetch(`${registryUrl}/subjects/${subject}/versions/1`);
  const good = (await answer.json()) as { id: number; schema: string };
  const schema = JSON.parse(good.schema);
  const register = (name: string) =>
    registerSchema(subject, { ...schema, fields: [...schema.fields, { name, type: 'int', default: 0 }] });
  const bad = await register('bad');
  const { file, put } = configMap();
  const relay = world.startRelay({ CONFIG: file });
  await relay.streaming();
  let seq = 0;
  const schemaId = async () => {
    const [id] = await world.write([{ key: 'k', seq: ++seq }]);
    const records = await world.read([id!]);
    return records.find(({ headers }) => headers.id === id)!.value!.readInt32BE(1);
  };
  let applied = 0;
  const reload = async (text: string) => {
    put(text);
    relay.signal('SIGHUP');
    applied += 1;
    await expect
      .poll(() => relay.metric('outbox_relay_config_reloads_total', 'result="applied"'))
      .toBe(applied);
  };

  expect(await schemaId()).toBe(bad);
  await reload(`schemas:\n  versions: ['${subject}=1']\n`);
  expect(await schemaId()).toBe(good.id);
  const corrected = await register('corrected');
  await reload('');
  expect(await schemaId()).toBe(corrected);
});
