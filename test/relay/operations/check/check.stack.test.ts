import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AclOperationTypes, AclPermissionTypes } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Config, loadConfig } from '../../../../relay/config/config.ts';
import { type ErrorCode, errorTable, hints } from '../../../../relay/errors.ts';
import { check } from '../../../../relay/operations/check/check.ts';
import { type Finding, fixOf } from '../../../../relay/operations/check/finding.ts';
import { readSchemaFiles, type SchemaFile } from '../../../../relay/operations/schemas/files.ts';
import { ensureProgressTopic } from '../../../../relay/publish/progress-topic.ts';
import { mayLoseMarkers } from '../../../../relay/publish/transaction-protocol.ts';
import { startKafka } from '../../../../stack/kafka.ts';
import { startPostgres } from '../../../../stack/postgres.ts';
import { createDatabase } from '../../../support/database.ts';
import { createTopics, kafkaClient, withAdmin } from '../../../support/kafka.ts';
import { obeyingRules, ruleOf } from '../../../support/kafka-rules.ts';
import { registerSchema } from '../../../support/registry.ts';
import { servers } from '../../../support/servers.ts';
import { unique } from '../../../support/unique.ts';
import { runCli } from '../../commands/cli.ts';
import { openRelayDatabase, type RelayDatabase } from '../../commands/outbox.ts';

const timeoutMs = 20_000;

async function findings(config: Config): Promise<Finding[]> {
  const found: Finding[] = [];
  for await (const finding of check(config, timeoutMs)) found.push(finding);
  return found;
}

const notFine = (found: readonly Finding[], server: Finding['server']) =>
  found.filter((finding) => finding.server === server && finding.status !== 'ok');

describe('on a database that is ready', () => {
  let relay: RelayDatabase;
  beforeAll(async () => {
    relay = await openRelayDatabase();
  });
  afterAll(() => relay[Symbol.asyncDispose]());

  const only = async (name: string, settings: Record<string, string> = {}) =>
    (await findings(relay.config(settings))).find((finding) => finding.name === name);

  /** Makes a change as superuser, looks, and takes it back. */
  async function during<T>(change: string, undo: string, look: () => Promise<T>): Promise<T> {
    await relay.pool.query(change);
    try {
      return await look();
    } finally {
      await relay.pool.query(undo);
    }
  }

  test('nothing is red for a role with the relay’s rights, and nothing was made', async () => {
    const { code, stdout } = await runCli(['check', '--json'], relay.env);
    const { ok, checks } = JSON.parse(stdout) as { ok: boolean; checks: Finding[] };
    expect([code, ok]).toEqual([0, true]);
    // What the tests have: no limit on WAL, no times of commits, one broker, and a registry that compares nothing.
    expect(checks.filter(({ status }) => status !== 'ok').map(({ name }) => name)).toEqual([
      'WAL in an outage',
      'order of commits',
      'brokers',
      'compatibility level',
    ]);
    const { rows } = await relay.pool.query(
      'select slot_name from pg_replication_slots where database = current_database()',
    );
    expect(rows).toEqual([]);
    const topics = await withAdmin((admin) => admin.listTopics());
    expect(topics).not.toContain(relay.env.OUTBOX_RELAY_KAFKA_PROGRESS_TOPIC);
  });

  test('lines are for people: a mark, the server, the check, and the fix below', async () => {
    const { stdout } = await runCli(['check'], { ...relay.env, OUTBOX_RELAY_OUTBOX_COLUMNS_ID: 'uuid' });
    expect(stdout).toMatch(/^✔ postgres {2}wal_level: logical$/m);
    expect(stdout).toMatch(
      /^✖ postgres {2}outbox table: outbox\.event has no column uuid for outbox\.columns\.id\n {4}→ Correct outbox\.columns\.$/m,
    );
    expect(stdout).toMatch(/^\d+ passed, 4 warnings, 1 failed\n$/m);
  });

  test('a right that is missing is named', async () => {
    const found = await during(
      'revoke insert on outbox.heartbeat from outbox_relay',
      'grant insert on outbox.heartbeat to outbox_relay',
      () => only('rights'),
    );
    expect(found).toMatchObject({ status: 'fail', message: 'missing: insert on outbox.heartbeat' });
    expect(found?.fix).toContain('migrations/roles.sql');
  });

  test('of a table of your own, which roles.sql does not know, the right is named with the statement', async () => {
    const found = await during('create table public."Outbox" (id uuid)', 'drop table public."Outbox"', () =>
      only('rights', { OUTBOX_RELAY_OUTBOX_TABLE: 'public.Outbox' }),
    );
    expect(found).toMatchObject({ status: 'fail', message: 'missing: select on public.Outbox' });
    expect(found?.fix).toContain('GRANT SELECT ON "public"."Outbox" TO outbox_relay;');
  });

  test('a function that retention calls is asked for where it is set, as the relay would stop without it', async () => {
    const purge = 'outbox.purge_dead_letters(text, interval, text[])';
    await during(
      `revoke execute on function ${purge} from outbox_relay`,
      `grant execute on function ${purge} to outbox_relay`,
      async () => {
        expect(await only('rights')).toMatchObject({ status: 'ok' });
        expect(await only('rights', { OUTBOX_RELAY_DEAD_LETTERS_KEEP_CLOSED_DAYS: '30' })).toMatchObject({
          status: 'fail',
          message: `missing: execute on ${purge}`,
          fix: expect.stringContaining('migrations/roles.sql'),
        });
      },
    );
  });

  test('what another role owns in the schema is red, and a trail that operators can write a warning', async () => {
    const role = unique('check_test');
    await during(`create role ${role}`, `drop owned by ${role} cascade; drop role ${role}`, async () => {
      expect(await only('owners')).toMatchObject({ status: 'ok' });
      await relay.pool.query(
        `create function outbox.emit(int) returns int language sql as 'select 1'; alter function outbox.emit(int) owner to ${role}`,
      );
      expect(await only('owners')).toMatchObject({
        status: 'fail',
        message: expect.stringContaining(`not everything in it: function emit of role ${role}`),
      });
    });
    const statement = 'update (status) on outbox.dead_letter';
    expect(await only('audit trail')).toMatchObject({ status: 'ok' });
    const open = await during(
      `grant ${statement} to outbox_operator`,
      `revoke ${statement} from outbox_operator`,
      () => only('audit trail'),
    );
    expect(open).toMatchObject({ status: 'warn', fix: expect.stringContaining('migrate --roles') });
  });

  test('what operators lack is a warning that names the right, what they cannot do, and the GRANT', async () => {
    expect(await only('operator rights')).toMatchObject({ status: 'ok' });
    const found = await during(
      'revoke select on outbox.event from outbox_operator',
      'grant select on outbox.event to outbox_operator',
      () => only('operator rights'),
    );
    expect(found).toMatchObject({
      status: 'warn',
      message: expect.stringMatching(
        /^role outbox_operator lacks select on outbox\.event\. It cannot: find events; /,
      ),
      fix: expect.stringContaining('GRANT SELECT ON outbox.event TO outbox_operator;'),
    });
  });

  test('a default partition that is too large for others to be attached is a warning', async () => {
    expect(await only('partitions')).toMatchObject({ status: 'ok' });
    const large = await during(
      `insert into outbox.event (aggregatetype, aggregateid, type, payload, created_at)
       select 'order', n::text, 'OrderPlaced', to_json(repeat('x', 1500)), '1999-01-01Z' from generate_series(1, 12000) n`,
      'truncate outbox.event_default',
      () => only('partitions'),
    );
    expect(large).toMatchObject({ status: 'warn', fix: expect.stringContaining('VACUUM') });
  });

  test('a publication that does not cover the heartbeat is red, one that publishes more a warning', async () => {
    const dropped = await during(
      'alter publication outbox_relay drop table outbox.heartbeat',
      'alter publication outbox_relay add table outbox.heartbeat',
      () => only('publication'),
    );
    expect(dropped).toMatchObject({ status: 'fail', message: expect.stringContaining('outbox.heartbeat') });
    const more = await during(
      `alter publication outbox_relay set (publish = 'insert, delete')`,
      `alter publication outbox_relay set (publish = 'insert')`,
      () => only('publication'),
    );
    expect(more).toMatchObject({ status: 'warn' });
  });

  test('a publication that names partitions is red', async () => {
    // Then the publication lists the partitions, and not the table.
    const found = await during(
      'alter publication outbox_relay set (publish_via_partition_root = false)',
      'alter publication outbox_relay set (publish_via_partition_root = true)',
      () => only('publication'),
    );
    expect(found).toMatchObject({
      status: 'fail',
      message: expect.stringContaining('does not cover outbox.event'),
    });
  });

  test('a slot that is there is shown, one of another kind under the name is red', async () => {
    const slot = unique('other');
    const found = await during(
      `select pg_create_logical_replication_slot('${slot}', 'pgoutput')`,
      `select pg_drop_replication_slot('${slot}')`,
      () => only('slot', { OUTBOX_RELAY_SLOT: slot }),
    );
    expect(found).toMatchObject({ status: 'ok', message: expect.stringContaining('no relay is connected') });
    expect(found?.message).toMatch(/of WAL retained, wal_status reserved, no max_slot_wal_keep_size$/);
    const physical = await during(
      `select pg_create_physical_replication_slot('${slot}')`,
      `select pg_drop_replication_slot('${slot}')`,
      () => only('slot', { OUTBOX_RELAY_SLOT: slot }),
    );
    expect(physical).toMatchObject({ status: 'fail', message: expect.stringContaining('physical') });
  });

  test('a slot that is gone after a relay streamed from it is red, and the fix is to recover', async () => {
    const slot = relay.env.OUTBOX_RELAY_SLOT;
    const found = await during(
      `insert into outbox.progress (slot, initialised_at) values ('${slot}', now())`,
      `delete from outbox.progress where slot = '${slot}'`,
      () => only('slot'),
    );
    expect(found).toMatchObject({
      status: 'fail',
      message: expect.stringContaining('does not exist, although a relay has used it'),
      fix: expect.stringContaining('outbox-relay recover'),
    });
  });

  test('a role without REPLICATION is red, whatever it may read', async () => {
    const role = unique('reader');
    await relay.pool.query(`create role ${role} login password 'sesame' in role outbox_relay`);
    try {
      const url = new URL(relay.env.DATABASE_URL ?? '');
      url.username = role;
      expect(await only('replication right', { DATABASE_URL: url.href })).toMatchObject({ status: 'fail' });
    } finally {
      await relay.pool.query(`drop owned by ${role}; drop role ${role}`);
    }
  });

  test('a wrong password is one failure, and the other checks of the server are skipped', async () => {
    const url = new URL(relay.env.DATABASE_URL ?? '');
    url.password = 'wrong';
    const [first, ...rest] = notFine(await findings(relay.config({ DATABASE_URL: url.href })), 'postgres');
    expect(rest.length).toBeGreaterThan(10);
    expect(new Set(rest.map(({ status }) => status))).toEqual(new Set(['skipped']));
    expect(first).toMatchObject({ name: 'server', status: 'fail' });
    expect(first?.message).toContain('password authentication failed');
    expect(first?.fix).toContain('correct it where it comes from: DATABASE_URL');
  });

  test('a database that does not exist is said to be created, and not to be checked', async () => {
    const url = new URL(relay.env.DATABASE_URL ?? '');
    url.pathname = `/${unique('nowhere')}`;
    const [first] = notFine(await findings(relay.config({ DATABASE_URL: url.href })), 'postgres');
    expect(first).toMatchObject({
      name: 'server',
      status: 'fail',
      message: expect.stringContaining(`${url.host}, database ${url.pathname.slice(1)}: `),
      fix: hints.DATABASE_MISSING,
    });
  });

  test('no fix sends anybody to the command that gave it', () => {
    for (const code of Object.keys(errorTable) as ErrorCode[])
      expect(fixOf({ code })).not.toContain('`outbox-relay check`');
  });

  test('what this role may not read gets no tick', async () => {
    const found = await during(
      'revoke select on outbox.migration from outbox_relay',
      'grant select on outbox.migration to outbox_relay',
      () => only('migrations'),
    );
    expect(found).toMatchObject({ status: 'skipped', message: expect.stringContaining('may not read') });
  });

  test('a progress topic that forgets, or has partitions, is red', async () => {
    const [deleting, split] = [unique('deleting'), unique('split')];
    await createTopics([
      { topic: deleting, numPartitions: 1 },
      { topic: split, numPartitions: 2, configEntries: [{ name: 'cleanup.policy', value: 'compact' }] },
    ]);
    const look = (topic: string) => only('progress topic', { OUTBOX_RELAY_KAFKA_PROGRESS_TOPIC: topic });
    expect(await look(deleting)).toMatchObject({
      status: 'fail',
      message: expect.stringContaining('=delete'),
    });
    expect(await look(split)).toMatchObject({
      status: 'fail',
      message: expect.stringContaining('2 partitions'),
    });
  });

  test('a progress that an earlier release left in the topic of all slots is red, with what to set', async () => {
    const former = 'outbox-relay.progress';
    const {
      slot: { name: slot },
    } = relay.config();
    await withAdmin((admin) => ensureProgressTopic(admin, former));
    expect(await only('progress topic')).toMatchObject({ status: 'ok' });
    const producer = (await kafkaClient()).producer();
    await producer.connect();
    const send = (value: string | null) => producer.send({ topic: former, messages: [{ key: slot, value }] });
    await send('{}');
    const found = {
      status: 'fail',
      message: expect.stringContaining(`but ${former} does`),
      fix: expect.stringContaining(`set kafka.progressTopic to ${former}`),
    };
    expect(await only('progress topic')).toMatchObject(found);
    // As a start leaves it that was refused.
    const empty = unique('progress');
    await withAdmin((admin) => ensureProgressTopic(admin, empty));
    const settings = { OUTBOX_RELAY_KAFKA_PROGRESS_TOPIC: empty };
    expect(await only('progress topic', settings)).toMatchObject(found);
    await send(null);
    // One broker cannot be durable.
    expect(await only('progress topic', settings)).toMatchObject({
      status: 'warn',
      message: expect.stringMatching(/: compacted, 1 partition; /),
    });
    await producer.disconnect();
  });

  test('a progress that is gone after a relay streamed from the slot is red, with or without the topic', async () => {
    const slot = relay.env.OUTBOX_RELAY_SLOT;
    const empty = unique('progress');
    await withAdmin((admin) => ensureProgressTopic(admin, empty));
    const lookAt = (topic: string) => only('progress topic', { OUTBOX_RELAY_KAFKA_PROGRESS_TOPIC: topic });
    const found = await during(
      `insert into outbox.progress (slot, initialised_at) values ('${slot}', now())`,
      `delete from outbox.progress where slot = '${slot}'`,
      async () => [await lookAt(empty), await lookAt(unique('progress'))],
    );
    const but = `although a relay has published from slot ${slot}`;
    const red = { status: 'fail', fix: hints.LINEAGE_PROGRESS_LOST };
    expect(found).toMatchObject([
      { ...red, message: expect.stringContaining(`holds no progress for slot ${slot}, ${but}`) },
      { ...red, message: expect.stringContaining(`does not exist, ${but}`) },
    ]);
  });

  test('event topics that lose data with one broker, or take smaller records, are a warning by name', async () => {
    const topic = unique('thin');
    const configEntries = [{ name: 'max.message.bytes', value: '10000' }];
    await createTopics([{ topic, numPartitions: 2, configEntries }]);
    const settings = {
      OUTBOX_RELAY_TOPICS_ALLOW: topic,
      OUTBOX_RELAY_TOPICS_CREATE: 'true',
      OUTBOX_RELAY_TOPICS_CREATE_MAX: '1',
      OUTBOX_RELAY_PUBLISH_MAX_RECORD_BYTES: '20000',
    };
    const found = notFine(await findings(relay.config(settings)), 'kafka');
    for (const name of ['event topics', 'record size'])
      expect(found).toContainEqual(
        expect.objectContaining({ name, status: 'warn', message: expect.stringContaining(topic) }),
      );
    const { fix } = found.find(({ name }) => name === 'event topics')!;
    expect(/This cluster runs Kafka 4\.3/.test(fix ?? '')).toBe(await mayLoseMarkers(await kafkaClient()));
    expect(found).toContainEqual(
      expect.objectContaining({
        name: 'new topics',
        status: 'warn',
        message: expect.stringMatching('1 exist'),
      }),
    );
  });

  test('the topic of dead letters is red where it is absent and may not be made, a warning where it forgets', async () => {
    const [absent, compacted] = [unique('absent'), unique('compacted')];
    const configEntries = [{ name: 'cleanup.policy', value: 'compact' }];
    await createTopics([{ topic: compacted, numPartitions: 1, configEntries }]);
    const look = (topic: string, create = 'true') =>
      only('dead-letter topic', {
        OUTBOX_RELAY_DEAD_LETTERS_TOPIC: topic,
        OUTBOX_RELAY_TOPICS_CREATE: create,
      });
    expect(await look(absent, 'false')).toMatchObject({
      status: 'fail',
      message: `${absent} does not exist`,
      fix: expect.stringContaining('topics.create'),
    });
    expect(await look(absent)).toMatchObject({ status: 'ok' });
    expect(await look(compacted)).toMatchObject({
      status: 'warn',
      fix: expect.stringContaining('cleanup.policy=delete'),
    });
    expect(await withAdmin((admin) => admin.listTopics())).not.toContain(absent);
  });

  test('no event topic is red where the relay may not create one', async () => {
    const found = await only('event topics', { OUTBOX_RELAY_TOPICS_CREATE: 'false' });
    expect(found).toMatchObject({ status: 'fail', fix: expect.stringContaining('topics.create') });
  });

  test('a version that the settings name and the registry lacks is red, also without schema files', async () => {
    const subject = unique('pinned');
    const settings = {
      OUTBOX_RELAY_SCHEMAS_DIRECTORY: 'no-such-directory',
      OUTBOX_RELAY_SCHEMAS_VERSIONS: `${subject}=1`,
    };
    expect(await only('subjects', settings)).toMatchObject({
      status: 'fail',
      message: expect.stringContaining(`no version 1 of ${subject}`),
      fix: expect.stringContaining('schemas.versions'),
    });
    const { registryUrl } = await servers();
    await registerSchema(subject, { type: 'record', name: 'Placed', fields: [] });
    expect(await only('subjects', settings)).toMatchObject({ status: 'ok' });
    const address = `${registryUrl}/subjects/${subject}/versions/1`;
    expect((await fetch(address, { method: 'DELETE' })).ok).toBe(true);
    expect(await only('subjects', settings)).toMatchObject({ status: 'fail' });
  });

  test('a schema file that may not become the next version is named with the reason, and nobody is sent to register it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'check-schemas-'));
    const settings = {
      OUTBOX_RELAY_SCHEMAS_DIRECTORY: folder,
      OUTBOX_RELAY_TOPICS_ALLOW: 'x*',
      OUTBOX_RELAY_TOPICS_TEMPLATE: `${unique('x')}.{aggregatetype}`,
    };
    const write = async (...fields: object[]) => {
      const schema = { type: 'record', name: 'Placed', namespace: 'shop', fields };
      await writeFile(join(folder, 'order', 'Placed.avsc'), JSON.stringify(schema));
      return schema;
    };
    try {
      await mkdir(join(folder, 'order'));
      const first = await write({ name: 'total', type: 'long' });
      const [{ subject }] = (await readSchemaFiles(relay.config(settings))) as [SchemaFile];
      await registerSchema(subject, first);
      const { registryUrl } = await servers();
      await fetch(`${registryUrl}/config/${subject}`, {
        method: 'PUT',
        headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
        body: '{"compatibility":"BACKWARD"}',
      });
      await write({ name: 'total', type: 'long' }, { name: 'count', type: 'int' });
      const refused = await only('subjects', settings);
      expect(refused).toMatchObject({
        status: 'warn',
        message: expect.stringMatching(/may not become its next version: \$\.count: /),
        fix: expect.stringContaining('`outbox-relay schemas check`'),
      });
      expect(refused?.fix).not.toContain('schemas register');
      await write({ name: 'total', type: 'long' }, { name: 'count', type: 'int', default: 0 });
      expect(await only('subjects', settings)).toMatchObject({
        status: 'warn',
        fix: expect.stringContaining('`outbox-relay schemas register`'),
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('a schema file without its subject is red until it is registered', async () => {
    const settings = {
      OUTBOX_RELAY_SCHEMAS_DIRECTORY: 'schemas',
      OUTBOX_RELAY_TOPICS_ALLOW: 'x*',
      OUTBOX_RELAY_TOPICS_TEMPLATE: `${unique('x')}.{aggregatetype}`,
    };
    expect(await only('subjects', settings)).toMatchObject({
      status: 'fail',
      message: expect.stringContaining('.payment-shop.payment.PaymentCaptured'),
    });
    for (const { subject, schemaText } of await readSchemaFiles(relay.config(settings)))
      await registerSchema(subject, JSON.parse(schemaText));
    expect(await only('subjects', settings)).toMatchObject({ status: 'ok' });
    // Somebody registers another version, and the relay goes on with that.
    const [{ subject, schemaText }] = (await readSchemaFiles(relay.config(settings))) as [SchemaFile];
    await registerSchema(subject, { ...JSON.parse(schemaText), doc: 'Another.' });
    expect(await only('subjects', settings)).toMatchObject({
      status: 'warn',
      message: `the file is version 1 of ${subject}, but the latest is version 2, with which the relay encodes`,
    });
  });
});

test('on an empty database each missing thing says how to get it', async () => {
  await using database = await createDatabase();
  const { brokers, registryUrl } = await servers();
  const env = {
    DATABASE_URL: database.url,
    KAFKA_BROKERS: brokers.join(),
    SCHEMA_REGISTRY_URL: registryUrl,
    // Slots are of the whole server.
    OUTBOX_RELAY_SLOT: unique('slot'),
  };
  const found = notFine(await findings(loadConfig({ env }).config), 'postgres');
  expect(found.map(({ name, status }) => [name, status])).toEqual([
    ['migrations', 'warn'],
    ['outbox table', 'fail'],
    ['publication', 'fail'],
    ['rights', 'fail'],
    ['operator rights', 'skipped'],
    // These need no table.
    ['WAL in an outage', 'warn'],
    ['order of commits', 'warn'],
  ]);
  for (const { fix } of found.slice(0, -3)) expect(fix).toMatch(/outbox-relay migrate|roles\.sql/);
});

test('a progress topic that may not be seen is red, and one whose settings may not be read gets no tick', async () => {
  await using database = await createDatabase();
  await using kafka = await startKafka({ quickStart: true, settings: obeyingRules });
  const topic = unique('progress');
  const { brokers } = kafka;
  await withAdmin((admin) => ensureProgressTopic(admin, topic), brokers);
  const set = (operation: AclOperationTypes, permissionType: AclPermissionTypes) =>
    withAdmin(
      (admin) => admin.createAcls({ acl: [{ ...ruleOf(topic, operation), permissionType }] }),
      brokers,
    );
  const env = {
    DATABASE_URL: database.url,
    KAFKA_BROKERS: brokers.join(),
    OUTBOX_RELAY_RECORDS_FORMAT: 'json',
    OUTBOX_RELAY_SLOT: unique('slot'),
    OUTBOX_RELAY_KAFKA_PROGRESS_TOPIC: topic,
  };
  const look = async () =>
    (await findings(loadConfig({ env }).config)).find(({ name }) => name === 'progress topic');
  // A broker obeys a rule shortly after it has taken it.
  await set(AclOperationTypes.DESCRIBE_CONFIGS, AclPermissionTypes.DENY);
  // Whoever is not named by a rule has no right where there is one.
  await expect.poll(look).toMatchObject({
    status: 'fail',
    message: `${topic} exists, and the relay may not see it`,
  });
  await set(AclOperationTypes.ALL, AclPermissionTypes.ALLOW);
  await expect.poll(look).toMatchObject({
    status: 'warn',
    message: expect.stringContaining('its settings may not be read'),
    fix: expect.stringContaining('DescribeConfigs'),
  });
});

test('a server without logical decoding is told by its setting', async () => {
  const { brokers, registryUrl } = await servers();
  await using postgres = await startPostgres({ settings: { wal_level: 'replica' } });
  const env = { DATABASE_URL: postgres.url, KAFKA_BROKERS: brokers.join(), SCHEMA_REGISTRY_URL: registryUrl };
  const found = await findings(loadConfig({ env }).config);
  expect(found.find(({ name }) => name === 'wal_level')).toMatchObject({
    status: 'fail',
    message: 'replica',
    fix: expect.stringContaining('restart'),
  });
});
