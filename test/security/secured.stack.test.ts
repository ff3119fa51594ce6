/**
 * The relay on three servers with every lock on: it runs end to end with the keys that fit, and every key that does not
 * ends in one message with its code, in `check` and in `run`. What all of them said is searched for the secrets at the end.
 */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } from 'kafkajs';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { loadConfig } from '../../relay/config/config.ts';
import { connectAdmin, createKafka } from '../../relay/connect/kafka.ts';
import { postgresError } from '../../relay/connect/postgres/errors.ts';
import { createPool } from '../../relay/connect/postgres/pool.ts';
import { RegistryHttp } from '../../relay/connect/registry-http.ts';
import { asRelayError } from '../../relay/errors.ts';
import { createLogger } from '../../relay/observe/log.ts';
import { OpenTransactions } from '../../relay/publish/open-transactions.ts';
import type { Identity } from '../../stack/certificates.ts';
import { runCli } from '../relay/commands/cli.ts';
import { createTopics, kafkaClient, readCommitted, readTopics, withAdmin } from '../support/kafka.ts';
import { check, note, said, startRelay } from './relay-run.ts';
import { canary, type Env, type SecuredServers, sessionMs, startSecuredServers } from './secured-servers.ts';

const topic = 'outbox.event.order';

let servers: SecuredServers;

beforeAll(async () => {
  servers = await startSecuredServers();
  await createTopics([{ topic, numPartitions: 2 }], servers.kafka.brokers);
  await registerSchema();
});
afterAll(async () => {
  await servers?.[Symbol.asyncDispose]();
});
// Whatever a test makes the relay say, no secret and no payload is in it.
afterEach(() => {
  expect(leaks()).toEqual([]);
});

function leaks(): string[] {
  const basic = Buffer.from(`relay:${canary}`).toString('base64');
  return said.filter((text) => text.includes(canary) || text.includes(basic));
}

async function registerSchema(name = topic): Promise<void> {
  const schema = {
    type: 'record',
    name: 'Placed',
    namespace: 'shop',
    fields: [{ name: 'note', type: 'string' }],
  };
  const response = await fetch(`${servers.registryUrl}/subjects/${name}-shop.Placed/versions`, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify({ schema: JSON.stringify(schema) }),
  });
  expect(response.status).toBe(200);
}

/** As a login with the writer's rights and no other. */
async function emit(note: string, aggregatetype = 'order'): Promise<string> {
  const application = new pg.Client({
    connectionString: servers.databaseUrl((url) => {
      url.username = 'application';
    }),
  });
  await application.connect();
  try {
    const { rows } = await application.query<{ id: string }>(
      `select outbox.emit($2, $1, 'shop.Placed', json_build_object('note', $1::text), json_build_object('trace', $1::text)) as id`,
      [`${note} ${canary}`, aggregatetype],
    );
    return rows[0]!.id;
  } finally {
    await application.end();
  }
}

/** How often Kafka holds the event, committed, once it holds it at all; each relay has a slot and publishes it once. */
async function arrivals(id: string, wanted: number): Promise<number> {
  const brokers = servers.kafka.brokers;
  const count = (records: readonly { headers: Readonly<Record<string, string>> }[]) =>
    records.filter(({ headers }) => headers.id === id).length;
  await readTopics({ brokers, topics: [topic], until: (records) => count(records) >= wanted });
  return count(await readCommitted({ brokers, topics: [topic] }));
}

describe('with the keys that fit', () => {
  test('nothing is red, for roles of Postgres and rights of Kafka as the documents give them', async () => {
    // One broker is what the test has.
    expect((await check(servers.env)).filter(({ status }) => status !== 'warn')).toEqual([]);
  });

  test('an event goes from the writer’s role to Kafka over TLS on all three, by every mechanism and both producers', async () => {
    const basic = {
      OUTBOX_RELAY_REGISTRY_TOKEN: '',
      OUTBOX_RELAY_REGISTRY_USERNAME: 'relay',
      OUTBOX_RELAY_REGISTRY_PASSWORD: canary,
    };
    const kafkajs = { OUTBOX_RELAY_PUBLISH_PRODUCER: 'kafkajs' };
    const mutual = {
      KAFKA_BROKERS: servers.brokers('MUTUAL'),
      OUTBOX_RELAY_KAFKA_SASL_MECHANISM: '',
      OUTBOX_RELAY_KAFKA_SASL_USERNAME: '',
      OUTBOX_RELAY_KAFKA_SASL_PASSWORD: '',
      OUTBOX_RELAY_KAFKA_SSL_CERT_FILE: servers.files.cert,
      OUTBOX_RELAY_KAFKA_SSL_KEY_FILE: servers.files.key,
    };
    const ways: Env[] = [
      { ...servers.kafkaUser('relay', 'scram-sha-256'), ...basic },
      { ...servers.kafkaUser('relay', 'scram-sha-512'), ...kafkajs, ...basic },
      { ...servers.kafkaUser('relay', 'plain'), ...kafkajs },
      mutual,
      { ...mutual, ...kafkajs },
    ];
    const runs = ways.map((way) => startRelay({ ...servers.env, ...way }));
    try {
      await Promise.all(runs.map((run) => run.streaming));
      const id = await emit('everywhere');
      expect(await arrivals(id, runs.length)).toBe(runs.length);
    } finally {
      await Promise.all(runs.map((run) => run[Symbol.asyncDispose]()));
    }
  });
});

/** What the next connection to each of the three says, of one process that was there before. */
function askAll(env: Env) {
  const { config } = loadConfig({ env });
  const pool = createPool(config);
  const kafka = createKafka(config, createLogger('fatal'));
  const registry = new RegistryHttp(config.registry);
  const outcome = (asked: Promise<unknown>) =>
    asked.then(
      () => 'accepted',
      (error) => asRelayError(error).code,
    );
  const postgres = async () => {
    const client = await pool.connect().catch((error: unknown) => {
      throw postgresError(error, 'connecting');
    });
    client.release(true);
  };
  const kafkaAsked = async () => {
    const admin = kafka.admin();
    await connectAdmin(admin);
    await admin.disconnect();
  };
  return {
    next: () =>
      Promise.all([
        outcome(postgres()),
        outcome(kafkaAsked()),
        outcome(registry.ask('asking', 'GET', '/subjects')),
      ]),
    [Symbol.asyncDispose]: () => pool.end(),
  };
}

test('certificates, keys and authorities that change count for the next connection to each of the three', async () => {
  const { files } = servers;
  const at = (name: string) => path.join(path.dirname(files.ca), name);
  const put = async (name: string, from: string) => writeFile(at(name), await readFile(from));
  const present = async (ca: string, cert: string, key: string) => {
    await put('turn-ca.pem', ca);
    await put('turn.pem', cert);
    await put('turn-key.pem', key);
  };
  const accepted = ['accepted', 'accepted', 'accepted'];
  const refused = ['TLS_REFUSED', 'TLS_REFUSED', 'TLS_REFUSED'];
  await present(files.ca, files.cert, files.key);
  await using all = askAll({
    ...servers.env,
    DATABASE_URL: servers.databaseUrl(({ searchParams }) => {
      searchParams.set('sslrootcert', at('turn-ca.pem'));
      searchParams.set('sslcert', at('turn.pem'));
      searchParams.set('sslkey', at('turn-key.pem'));
    }),
    KAFKA_BROKERS: servers.brokers('MUTUAL'),
    OUTBOX_RELAY_KAFKA_SASL_MECHANISM: '',
    OUTBOX_RELAY_KAFKA_SASL_USERNAME: '',
    OUTBOX_RELAY_KAFKA_SASL_PASSWORD: '',
    ...Object.fromEntries(
      ['KAFKA', 'REGISTRY'].flatMap((server) => [
        [`OUTBOX_RELAY_${server}_SSL_CA_FILE`, at('turn-ca.pem')],
        [`OUTBOX_RELAY_${server}_SSL_CERT_FILE`, at('turn.pem')],
        [`OUTBOX_RELAY_${server}_SSL_KEY_FILE`, at('turn-key.pem')],
      ]),
    ),
  });
  expect(await all.next()).toEqual(accepted);
  await present(files.ca, files.otherCert, files.otherKey);
  // The proxy before the registry closes the connection without a word.
  expect(await all.next()).toEqual(['TLS_REFUSED', 'TLS_REFUSED', 'REGISTRY_UNAVAILABLE']);
  await present(files.otherCa, files.cert, files.key);
  expect(await all.next()).toEqual(refused);
  await present(files.ca, files.cert, files.key);
  expect(await all.next()).toEqual(accepted);
  // While it is written, the last good one counts.
  await writeFile(at('turn-key.pem'), '-----BEGIN');
  expect(await all.next()).toEqual(accepted);
});

type Case = readonly [what: string, code: string, change: () => Env];

const database = (change: (url: URL) => void) => (): Env => ({ DATABASE_URL: servers.databaseUrl(change) });
const registryAt = (host: string) => servers.env.SCHEMA_REGISTRY_URL!.replace('127.0.0.1', host);

/** Refused before anything is asked, so `check` and `run` both meet it at once. */
const wrongKeys: readonly Case[] = [
  [
    'Postgres of another authority',
    'TLS_REFUSED',
    database((url) => url.searchParams.set('sslrootcert', servers.files.otherCa)),
  ],
  [
    'Postgres of another host name',
    'TLS_REFUSED',
    database((url) => {
      url.hostname = 'localhost';
    }),
  ],
  [
    'Postgres without the client certificate it asks for',
    'POSTGRES_UNAUTHORIZED',
    database((url) => {
      url.searchParams.delete('sslcert');
      url.searchParams.delete('sslkey');
    }),
  ],
  [
    'Postgres with a client certificate of another authority',
    'TLS_REFUSED',
    database((url) => {
      url.searchParams.set('sslcert', servers.files.otherCert);
      url.searchParams.set('sslkey', servers.files.otherKey);
    }),
  ],
  ['Postgres without TLS', 'POSTGRES_UNAUTHORIZED', database((url) => (url.search = ''))],
  [
    'Postgres with a wrong password',
    'POSTGRES_UNAUTHORIZED',
    database((url) => {
      url.password = `${canary}wrong`;
    }),
  ],
  [
    'Postgres as a role that may not replicate',
    'POSTGRES_UNAUTHORIZED',
    database((url) => {
      url.username = 'no_replication';
    }),
  ],
  [
    'Kafka of another authority',
    'TLS_REFUSED',
    () => ({ OUTBOX_RELAY_KAFKA_SSL_CA_FILE: servers.files.otherCa }),
  ],
  [
    'Kafka of another host name',
    'TLS_REFUSED',
    () => ({ KAFKA_BROKERS: servers.brokers('SECURED', 'localhost') }),
  ],
  ['Kafka with an expired certificate', 'TLS_REFUSED', () => ({ KAFKA_BROKERS: servers.brokers('EXPIRED') })],
  [
    'Kafka without the client certificate it asks for',
    'TLS_REFUSED',
    () => ({ KAFKA_BROKERS: servers.brokers('MUTUAL') }),
  ],
  [
    'Kafka with a wrong password, by PLAIN',
    'KAFKA_UNAUTHORIZED',
    () => ({ OUTBOX_RELAY_KAFKA_SASL_PASSWORD: `${canary}wrong` }),
  ],
  [
    'Kafka with a wrong password, by SCRAM',
    'KAFKA_UNAUTHORIZED',
    () => ({
      ...servers.kafkaUser('relay', 'scram-sha-512'),
      OUTBOX_RELAY_KAFKA_SASL_PASSWORD: `${canary}wrong`,
    }),
  ],
  [
    'Kafka without the right to the transactional id',
    'KAFKA_UNAUTHORIZED',
    () => servers.kafkaUser('no-transaction', 'plain'),
  ],
  [
    'Kafka without the right to the transactional id, by the producer of kafkajs',
    'KAFKA_UNAUTHORIZED',
    () => ({ ...servers.kafkaUser('no-transaction', 'plain'), OUTBOX_RELAY_PUBLISH_PRODUCER: 'kafkajs' }),
  ],
  [
    'Kafka without the right to read the progress',
    'KAFKA_UNAUTHORIZED',
    () => servers.kafkaUser('no-reading', 'plain'),
  ],
  [
    'Kafka without the right to write the progress',
    'KAFKA_UNAUTHORIZED',
    () => servers.kafkaUser('no-progress', 'plain'),
  ],
];

/** Met with the first event only: a topic is written then, and a schema asked for. */
const wrongOnEvents: readonly Case[] = [
  [
    'Kafka without the right to write the topic',
    'KAFKA_UNAUTHORIZED',
    () => servers.kafkaUser('no-topic', 'plain'),
  ],
  [
    'the registry of another authority',
    'TLS_REFUSED',
    () => ({ OUTBOX_RELAY_REGISTRY_SSL_CA_FILE: servers.files.otherCa }),
  ],
  [
    'the registry of another host name',
    'TLS_REFUSED',
    () => ({ SCHEMA_REGISTRY_URL: registryAt('localhost') }),
  ],
  [
    'the registry with a wrong token',
    'REGISTRY_UNAUTHORIZED',
    () => ({ OUTBOX_RELAY_REGISTRY_TOKEN: `${canary}wrong` }),
  ],
  [
    'the registry with a wrong password',
    'REGISTRY_UNAUTHORIZED',
    () => ({
      OUTBOX_RELAY_REGISTRY_TOKEN: '',
      SCHEMA_REGISTRY_URL: registryAt(`relay:${canary}wrong@127.0.0.1`),
    }),
  ],
];

/** Longer than kafkajs tries to connect, and far below any time limit. */
const quicklyMs = 20_000;

const redIn = async (env: Env) => (await check(env)).filter(({ status }) => status === 'fail');

/** What a person is warned of. The harness adds a line of its own. */
const warnings = ({ lines }: { readonly lines: readonly string[] }) =>
  lines
    .map((line) => JSON.parse(line) as { level: string; msg: string; err?: { code: string } })
    .filter(({ level, msg }) => ['warn', 'error', 'fatal'].includes(level) && msg !== 'stopped itself');

/** One red line with a way out in `check`; one error of class `stop` and no other message in `run`; both soon. */
async function expectRefusal(change: Env, code: string): Promise<void> {
  const env = { ...servers.env, ...change };
  await using run = startRelay(env);
  const [red, { error, afterMs }] = await Promise.all([redIn(env), run.stopped]);
  expect([error.code, error.class]).toEqual([code, 'stop']);
  expect(error.message).not.toMatch(/\n|OpenSSL|openssl/);
  expect(warnings(run)).toMatchObject([{ level: 'fatal', err: { code } }]);
  expect(afterMs).toBeLessThan(quicklyMs);
  expect(red).toEqual([expect.objectContaining({ fix: expect.stringMatching(/./) })]);
}

describe.concurrent('signing in', () => {
  test('a relay signs in to Kafka again before its session ends, and goes on', async () => {
    await using run = startRelay(servers.env);
    await run.streaming;
    // The one thing here that only time can bring: the broker ends a session that was not renewed.
    await sleep(sessionMs + 1_000);
    const id = await emit('later');
    expect(await arrivals(id, 1)).toBe(1);
    expect(run.lines.filter((line) => line.includes('"state":"streaming"'))).toHaveLength(1);
  });

  test.each(wrongKeys)('%s: one red line in check, and %s ends the relay', async (_, code, change) => {
    await expectRefusal(change(), code);
  });
});

test('keys that are used with the first event only end the relay then, and are red in check before', async () => {
  const changes = wrongOnEvents.map(([what, code, change]) => ({ what, code, change: change() }));
  const runs = changes.map(({ change }) => startRelay({ ...servers.env, ...change }));
  await Promise.all(runs.map((run) => run.streaming));
  await emit('refused');
  const stops = await Promise.all(runs.map((run) => run.stopped));
  const codes = stops.map(({ error }, n) => [changes[n]?.what, error.code, error.class]);
  expect(codes).toEqual(changes.map(({ what, code }) => [what, code, 'stop']));
  const red = await Promise.all(changes.map(({ change }) => redIn({ ...servers.env, ...change })));
  expect(red.map((lines, n) => [changes[n]?.what, lines.length])).toEqual(
    changes.map(({ what }) => [what, 1]),
  );
});

test('an outage is waited through, without a word too many', async () => {
  const away = [
    { change: { DATABASE_URL: servers.databaseUrl((url) => (url.port = '1')) }, says: 'session failed' },
    { change: { KAFKA_BROKERS: '127.0.0.1:1' }, says: 'session failed' },
    {
      change: {
        SCHEMA_REGISTRY_URL: `https://relay:${canary}@127.0.0.1:1/`,
        OUTBOX_RELAY_REGISTRY_TOKEN: '',
      },
      says: 'encoding failed, retrying',
    },
  ];
  const runs = away.map(({ change }) => startRelay({ ...servers.env, ...change }));
  await runs[2]?.streaming;
  await emit('outage');
  await Promise.all(runs.map((run, n) => run.heard(away[n]!.says)));
  await Promise.all(runs.map((run) => run[Symbol.asyncDispose]()));
});

/** As an administrator does who takes a topic away from the relay: what it may not do, and whether the topic is there. */
async function deny(name: string, operation: AclOperationTypes): Promise<() => Promise<unknown>> {
  const acl = ['User:relay', 'User:CN=relay'].map((principal) => ({
    principal,
    host: '*',
    operation,
    permissionType: AclPermissionTypes.DENY,
    resourceType: AclResourceTypes.TOPIC,
    resourceName: `outbox.event.${name}`,
    resourcePatternType: ResourcePatternTypes.LITERAL,
  }));
  const { brokers } = servers.kafka;
  await withAdmin((admin) => admin.createAcls({ acl }), brokers);
  return () => withAdmin((admin) => admin.deleteAcls({ filters: acl }), brokers);
}

test('without the right Read on a topic it is not known whose transaction is open there', async () => {
  const place = { topic: 'outbox.event.watched', partition: 0 };
  await createTopics([{ topic: place.topic, numPartitions: 1 }], servers.kafka.brokers);
  const producer = (await kafkaClient(servers.kafka.brokers)).producer({
    transactionalId: 'somebody',
    maxInFlightRequests: 1,
    idempotent: true,
  });
  await producer.connect();
  const transaction = await producer.transaction();
  await transaction.send({ topic: place.topic, messages: [{ value: canary }] });
  const { config } = loadConfig({ env: servers.env });
  const transactions = new OpenTransactions(createKafka(config, createLogger('fatal')), {
    own: [],
    isAllowed: (name) => name === place.topic,
    topicsMax: 1,
    transactionalId: 'not asked for',
  });
  try {
    expect(await transactions.look()).toEqual([{ ...place, ends: { stable: 0n, all: 1n } }]);
    expect(await transactions.ownerOf(place, 0n)).toEqual({ owner: 'unknown', producerId: undefined });
  } finally {
    await transactions.close();
    await transaction.abort();
    await producer.disconnect();
  }
});

test('a row that names a topic which the relay may not see, make or write is refused, and the others go on', async () => {
  const { ALL, CREATE, WRITE } = AclOperationTypes;
  const denials = await Promise.all([deny('hidden', ALL), deny('unmade', CREATE), deny('unwritable', WRITE)]);
  await createTopics([{ topic: 'outbox.event.unwritable', numPartitions: 1 }], servers.kafka.brokers);
  await registerSchema('outbox.event.unwritable');
  const patient = { OUTBOX_RELAY_RETRY_UNCLEAR_ATTEMPTS: '2', OUTBOX_RELAY_RETRY_MAX_DELAY_MS: '100' };
  const runs = ['lean', 'kafkajs'].map((producer) =>
    startRelay({ ...servers.env, ...patient, OUTBOX_RELAY_PUBLISH_PRODUCER: producer }),
  );
  try {
    await Promise.all(runs.map((run) => run.streaming));
    for (const name of ['hidden', 'unmade', 'unwritable']) await emit(name, name);
    const id = await emit('behind');
    expect(await arrivals(id, runs.length)).toBe(runs.length);
    const { rows } = await servers.pool.query(
      'select aggregatetype, code from outbox.dead_letter where slot = any ($1) order by slot, commit_lsn',
      [runs.map(({ slot }) => slot)],
    );
    const refused = ['hidden', 'unmade', 'unwritable'].map((aggregatetype) => ({
      aggregatetype,
      code: 'TOPIC_REFUSED',
    }));
    expect(rows).toEqual([...refused, ...refused]);
  } finally {
    await Promise.all(runs.map((run) => run[Symbol.asyncDispose]()));
    await Promise.all(denials.map((grant) => grant()));
    await servers.pool.query('delete from outbox.dead_letter');
  }
});

test('a refused event stops a relay that halts, is a dead letter of one that does not, and the operator’s role closes it', async () => {
  await using halting = startRelay({ ...servers.env, OUTBOX_RELAY_DEAD_LETTERS_POLICY: 'halt' });
  await using storing = startRelay(servers.env);
  await Promise.all([halting.streaming, storing.streaming]);
  await servers.pool.query(
    `select outbox.emit('order', '1', 'shop.Placed', json_build_object($1::text, $1::text), json_build_object($1::text, $1::text))`,
    [canary],
  );
  expect((await halting.stopped).error.code).toBe('EVENT_REJECTED');
  const statuses = async () => {
    const text = 'select status from outbox.dead_letter where slot = $1';
    return (await servers.pool.query<{ status: string }>(text, [storing.slot])).rows;
  };
  await vi.waitUntil(async () => (await statuses()).length === 1, { timeout: 30_000 });
  const env = {
    ...servers.env,
    OUTBOX_RELAY_SLOT: storing.slot,
    DATABASE_URL: servers.databaseUrl((url) => {
      url.username = 'operator';
    }),
  };
  const list = await command(['dead-letters', 'list'], env);
  expect(list).toContain('PAYLOAD_INVALID');
  await command(['dead-letters', 'discard', '--all', '--reason', 'a test', '--yes'], env);
  expect(await statuses()).toEqual([{ status: 'discarded' }]);
});

/** As a person runs it; it must succeed. */
async function command(args: string[], env: Env): Promise<string> {
  const { code, stdout, stderr } = await runCli(args, env);
  note(`${stdout}${stderr}`);
  expect([args, code, code === 0 ? '' : `${stdout}${stderr}`]).toEqual([args, 0, '']);
  return stdout;
}

test('a right of a duty that is taken away is told and ends nothing, one of the stream ends the relay', async () => {
  await using run = startRelay(servers.env);
  await run.streaming;
  await servers.pool.query('revoke insert on outbox.heartbeat from outbox_relay');
  const [red] = await redIn(servers.env);
  expect(red?.message).toContain('insert on outbox.heartbeat');
  await run.heard('writing the heartbeat: permission denied');
  await servers.pool.query('grant insert on outbox.heartbeat to outbox_relay');
  await servers.pool.query('revoke insert on outbox.dead_letter from outbox_relay');
  await servers.pool.query(`select outbox.emit('order', '1', 'shop.OrderPlaced', '"no record"')`);
  expect((await run.stopped).error).toMatchObject({
    code: 'POSTGRES_UNAUTHORIZED',
    message: expect.stringContaining('dead_letter'),
  });
  await servers.pool.query('grant insert on outbox.dead_letter to outbox_relay');
});

test('an expired certificate of Postgres and of the registry end the relay with TLS_REFUSED', async () => {
  const present = async ({ certificate, key }: Identity) => {
    await writeFile(path.join(servers.postgres.dataDir, 'server.crt'), certificate);
    await writeFile(path.join(servers.postgres.dataDir, 'server.key'), key);
    await servers.pool.query('select pg_reload_conf()');
    servers.registry.present({ certificate, key });
  };
  await using run = startRelay(servers.env);
  await run.streaming;
  await present(servers.expired);
  await emitAsOwner();
  expect((await run.stopped).error).toMatchObject({
    code: 'TLS_REFUSED',
    message: expect.stringMatching(/expired/),
  });
  await vi.waitUntil(async () => (await redIn(servers.env)).length === 2, { timeout: 30_000 });
  await using late = startRelay(servers.env);
  expect((await late.stopped).error).toMatchObject({
    code: 'TLS_REFUSED',
    message: expect.stringMatching(/expired/),
  });
  await present(servers.server);
});

const emitAsOwner = () =>
  servers.pool.query(`select outbox.emit('order', '1', 'shop.Placed', '{"note":"x"}')`);

test('what is searched for secrets holds what a relay and its commands say, and a secret would be found', async () => {
  const change = { OUTBOX_RELAY_REGISTRY_TOKEN: `${canary}wrong` };
  await using run = startRelay({ ...servers.env, ...change });
  await run.streaming;
  await emit('refused');
  await run.stopped;
  const env = { ...servers.env, OUTBOX_RELAY_SLOT: run.slot };
  const all = [['config'], ['config', '--json'], ['check', '--json'], ['status', '--json']];
  for (const { stdout, stderr } of await Promise.all(all.map((args) => runCli(args, env))))
    note(`${stdout}${stderr}`);
  await run[Symbol.asyncDispose]();
  for (const word of [
    '"level":"debug"',
    'streaming',
    'REGISTRY_UNAUTHORIZED',
    'registry.token',
    'outbox_relay_events_published_total',
  ])
    expect([word, said.some((text) => text.includes(word))]).toEqual([word, true]);
  note(`token ${canary}`);
  expect(leaks()).toHaveLength(1);
  said.pop();
});
