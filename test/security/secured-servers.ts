/**
 * Owns the three servers with every lock on: Postgres and Kafka with TLS, client certificates, passwords and rights, the
 * registry behind a proxy with TLS and credentials; and beside each lock a key that does not fit. Every secret holds the
 * canary, so that it shows wherever one of them gets out.
 */
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } from 'kafkajs';
import pg from 'pg';
import { migrate } from '../../relay/operations/migrate/migrate.ts';
import { Authority, type Identity } from '../../stack/certificates.ts';
import { type Kafka, startKafka } from '../../stack/kafka.ts';
import { type Postgres, startPostgres } from '../../stack/postgres.ts';
import { startRegistry } from '../../stack/registry.ts';
import { openRun } from '../../stack/run.ts';
import { withAdmin } from '../support/kafka.ts';
import { type RegistryProxy, startRegistryProxy } from './registry-proxy.ts';

/** In every password and token. */
export const canary = `canary${randomBytes(6).toString('hex')}`;

export const progressTopic = 'outbox-relay.progress';

/** Users of Kafka, each with the rights listed in docs/guides/kafka.md but for what its name says. */
export const users = ['relay', 'no-topic', 'no-progress', 'no-transaction', 'no-reading'] as const;
export type User = (typeof users)[number];

export type Env = Readonly<Record<string, string>>;

export type SecuredServers = AsyncDisposable & {
  readonly postgres: Postgres;
  readonly kafka: Kafka;
  readonly registry: RegistryProxy;
  /** Of the registry itself, behind the proxy. */
  readonly registryUrl: string;
  readonly server: Identity;
  readonly expired: Identity;
  /** PEM files: what to trust, what not to, and who the relay is. */
  readonly files: Readonly<Record<'ca' | 'otherCa' | 'cert' | 'key' | 'otherCert' | 'otherKey', string>>;
  /** As superuser, on the plain connection that only it may use. */
  readonly pool: pg.Pool;
  /** Settings of a relay whose every key fits. */
  readonly env: Env;
  /** The same with another user of Kafka. */
  kafkaUser(user: User, mechanism: string): Env;
  /** Its URL with other parameters, user, password or host. */
  databaseUrl(change?: (url: URL) => void): string;
  brokers(listener: 'SECURED' | 'MUTUAL' | 'EXPIRED', host?: string): string;
};

export async function startSecuredServers(): Promise<SecuredServers> {
  const run = await openRun();
  try {
    const authority = new Authority('Authority');
    const other = new Authority('Another authority');
    // Not for `localhost`: that is the name that does not fit.
    const server = authority.issue({ name: 'server', addresses: ['127.0.0.1'] });
    const past = new Date(Date.now() - 3_600_000);
    const expired = authority.issue({ name: 'server', addresses: ['127.0.0.1'], notAfter: past });
    const relay = authority.issue({ name: 'relay' });
    const stranger = other.issue({ name: 'relay' });
    const file = async (name: string, text: string) => {
      const at = path.join(run.dir, name);
      await writeFile(at, text, { mode: 0o600 });
      return at;
    };
    const files = {
      ca: await file('ca.pem', authority.certificate),
      otherCa: await file('other-ca.pem', other.certificate),
      cert: await file('relay.pem', relay.certificate),
      key: await file('relay-key.pem', relay.key),
      otherCert: await file('stranger.pem', stranger.certificate),
      otherKey: await file('stranger-key.pem', stranger.key),
    };
    const [postgres, kafka, behind] = await Promise.all([
      startPostgres({
        run,
        settings: { fsync: 'off', full_page_writes: 'off' },
        tls: { identity: server, clientAuthority: authority.certificate },
        access: [
          'host all postgres 127.0.0.1/32 scram-sha-256',
          'hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca',
        ],
      }),
      startSecuredKafka(run, authority, server, expired),
      startRegistry({ run, quickStart: true }),
    ]);
    const basic = Buffer.from(`relay:${canary}`).toString('base64');
    const registry = await startRegistryProxy({
      registryUrl: behind.url,
      identity: server,
      clientAuthority: authority.certificate,
      admitted: [`Basic ${basic}`, `Bearer ${canary}`],
    });
    const pool = new pg.Pool({ connectionString: postgres.url });
    pool.on('error', () => {});
    await prepareDatabase(pool, postgres.url);

    const databaseUrl: SecuredServers['databaseUrl'] = (change) => {
      const url = new URL(postgres.url);
      [url.username, url.password] = ['outbox_relay', canary];
      url.searchParams.set('sslmode', 'verify-full');
      url.searchParams.set('sslrootcert', files.ca);
      url.searchParams.set('sslcert', files.cert);
      url.searchParams.set('sslkey', files.key);
      change?.(url);
      return url.href;
    };
    const brokers: SecuredServers['brokers'] = (listener, host = '127.0.0.1') =>
      kafka
        .brokersOf(listener)
        .map((address) => address.replace('127.0.0.1', host))
        .join(',');
    const kafkaUser: SecuredServers['kafkaUser'] = (user, mechanism) => ({
      OUTBOX_RELAY_KAFKA_SASL_MECHANISM: mechanism,
      OUTBOX_RELAY_KAFKA_SASL_USERNAME: user,
      OUTBOX_RELAY_KAFKA_SASL_PASSWORD: canary,
    });
    return {
      postgres,
      kafka,
      registry,
      registryUrl: behind.url,
      server,
      expired,
      files,
      pool,
      env: {
        DATABASE_URL: databaseUrl(),
        KAFKA_BROKERS: brokers('SECURED'),
        OUTBOX_RELAY_KAFKA_SSL: 'true',
        OUTBOX_RELAY_KAFKA_SSL_CA_FILE: files.ca,
        ...kafkaUser('relay', 'plain'),
        SCHEMA_REGISTRY_URL: `https://127.0.0.1:${registry.port}${new URL(behind.url).pathname}`,
        OUTBOX_RELAY_REGISTRY_TOKEN: canary,
        OUTBOX_RELAY_REGISTRY_SSL_CA_FILE: files.ca,
        OUTBOX_RELAY_REGISTRY_SSL_CERT_FILE: files.cert,
        OUTBOX_RELAY_REGISTRY_SSL_KEY_FILE: files.key,
        OUTBOX_RELAY_KAFKA_PROGRESS_TOPIC: progressTopic,
        OUTBOX_RELAY_HTTP_PORT: '0',
        OUTBOX_RELAY_CAPTURE_HEARTBEAT_MS: '500',
        OUTBOX_RELAY_SCHEMAS_DIRECTORY: '/nonexistent',
        OUTBOX_RELAY_LOG_LEVEL: 'trace',
      },
      kafkaUser,
      databaseUrl,
      brokers,
      async [Symbol.asyncDispose]() {
        await pool.end();
        await registry[Symbol.asyncDispose]();
        await run.end();
      },
    };
  } catch (error) {
    await run.end();
    throw error;
  }
}

/** With every migration and roles.sql as they are; the relay's role gets a password, as its comment says. */
async function prepareDatabase(pool: pg.Pool, databaseUrl: string): Promise<void> {
  await migrate({ databaseUrl });
  await pool.query(await readFile(new URL('../../migrations/roles.sql', import.meta.url), 'utf8'));
  await pool.query(`alter role outbox_relay password '${canary}'`);
  for (const [login, group] of [
    ['application', 'outbox_writer'],
    ['operator', 'outbox_operator'],
  ])
    await pool.query(`create role ${login} login password '${canary}' in role ${group}`);
  await pool.query(`create role no_replication login password '${canary}' in role outbox_relay`);
}

/** As short as the relay allows: it signs in again a second before the end, and a broker takes that once a second at most. */
export const sessionMs = 4_000;

async function startSecuredKafka(
  run: Awaited<ReturnType<typeof openRun>>,
  authority: Authority,
  server: Identity,
  expired: Identity,
): Promise<Kafka> {
  const plainUsers = users.map((user) => `user_${user}="${canary}"`).join(' ');
  const login = 'org.apache.kafka.common.security';
  const scram = `${login}.scram.ScramLoginModule required;`;
  const kafka = await startKafka({
    run,
    quickStart: true,
    listeners: { SECURED: 'SASL_SSL', MUTUAL: 'SSL', EXPIRED: 'SSL' },
    settings: {
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      // Whoever comes in by the plain listener: the broker itself, and these tests.
      'super.users': 'User:ANONYMOUS',
      'ssl.keystore.type': 'PEM',
      'ssl.keystore.certificate.chain': server.certificate,
      'ssl.keystore.key': server.key,
      'ssl.truststore.type': 'PEM',
      'ssl.truststore.certificates': authority.certificate,
      'listener.name.mutual.ssl.client.auth': 'required',
      'listener.name.expired.ssl.keystore.type': 'PEM',
      'listener.name.expired.ssl.keystore.certificate.chain': expired.certificate,
      'listener.name.expired.ssl.keystore.key': expired.key,
      'listener.name.secured.sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
      'listener.name.secured.plain.sasl.jaas.config': `${login}.plain.PlainLoginModule required ${plainUsers};`,
      'listener.name.secured.plain.connections.max.reauth.ms': sessionMs,
      'listener.name.secured.scram-sha-256.sasl.jaas.config': scram,
      'listener.name.secured.scram-sha-512.sasl.jaas.config': scram,
    },
  });
  await Promise.all([
    // One at a time is what a request may change of a user.
    ...['SCRAM-SHA-256', 'SCRAM-SHA-512'].map((mechanism) =>
      kafka.tool('kafka.admin.ConfigCommand', [
        ...['--bootstrap-server', kafka.brokers.join(',')],
        ...['--alter', '--entity-type', 'users', '--entity-name', 'relay'],
        ...['--add-config', `${mechanism}=[password=${canary}]`],
      ]),
    ),
    withAdmin((admin) => admin.createAcls({ acl: users.flatMap(rightsOf) }), kafka.brokers),
  ]);
  return kafka;
}

/** The rights listed in docs/guides/kafka.md, for the relay's SASL user and for the name in its certificate. */
function rightsOf(user: User) {
  const { READ, WRITE, CREATE, DESCRIBE, DESCRIBE_CONFIGS } = AclOperationTypes;
  const { TOPIC, TRANSACTIONAL_ID } = AclResourceTypes;
  const { LITERAL, PREFIXED } = ResourcePatternTypes;
  const table = [
    {
      without: 'no-transaction',
      type: TRANSACTIONAL_ID,
      name: 'outbox-relay.',
      pattern: PREFIXED,
      may: [WRITE],
    },
    { without: 'no-progress', type: TOPIC, name: progressTopic, pattern: LITERAL, may: [WRITE] },
    { without: 'no-reading', type: TOPIC, name: progressTopic, pattern: LITERAL, may: [READ] },
    { without: '', type: TOPIC, name: progressTopic, pattern: LITERAL, may: [CREATE, DESCRIBE_CONFIGS] },
    { without: 'no-topic', type: TOPIC, name: 'outbox.event.', pattern: PREFIXED, may: [WRITE] },
    {
      without: '',
      type: TOPIC,
      name: 'outbox.event.',
      pattern: PREFIXED,
      may: [CREATE, DESCRIBE, DESCRIBE_CONFIGS],
    },
  ];
  const principals = user === 'relay' ? ['User:relay', 'User:CN=relay'] : [`User:${user}`];
  return principals.flatMap((principal) =>
    table
      .filter(({ without }) => without !== user)
      .flatMap(({ type, name, pattern, may }) =>
        may.map((operation) => ({
          principal,
          host: '*',
          operation,
          permissionType: AclPermissionTypes.ALLOW,
          resourceType: type,
          resourceName: name,
          resourcePatternType: pattern,
        })),
      ),
  );
}
