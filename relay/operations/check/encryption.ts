/** Whether events and credentials cross the network unencrypted. */
import type { Config } from '../../config/config.ts';
import type { OAuthSettings } from '../../config/sections/oauth.ts';
import { addressOf } from '../../connect/postgres/address.ts';
import { query, statement } from '../../connect/postgres/statement.ts';
import { type Check, ok, type Verdict, warn } from './finding.ts';
import type { PostgresContext } from './postgres-context.ts';
import type { RegistryContext } from './registry.ts';
import type { KafkaContext } from './topics.ts';

const ofThisMachine = 'not needed: the connection stays on this machine';

/** A name, an address or the directory of a socket that leads to nowhere else. */
function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase();
  return (
    /^127(\.\d{1,3}){3}$/.test(bare) ||
    bare === '::1' ||
    /^(.+\.)?localhost$/.test(bare) ||
    bare.startsWith('/')
  );
}

/** What `sslmode` and its like mean to the driver, which verifies by default where it speaks TLS. */
export function judgePostgres(url: string, isEncrypted: boolean): Verdict {
  const { hosts, url: completed } = addressOf(url);
  const { searchParams } = completed;
  const [mode, isCompatible] = [searchParams.get('sslmode'), searchParams.get('uselibpqcompat') === 'true'];
  const far = hosts.filter(({ host }) => !isLoopback(host));
  if (far.length === 0) return ok(ofThisMachine);
  const host = far.map((each) => each.host).join(' and ');
  if (!isEncrypted)
    return warn(
      `the connection to ${host} is not encrypted: others on the network can read every event, and the password or its hash`,
      'Add ?sslmode=verify-full&sslrootcert=<file> to DATABASE_URL. Without sslmode the connection does not use TLS.',
    );
  const trustsAnybody =
    mode === 'no-verify' ||
    (isCompatible && (mode === 'require' || mode === 'prefer') && !searchParams.has('sslrootcert'));
  if (!trustsAnybody) return ok('TLS; the certificate of the server is verified');
  return warn(
    `the connection to ${host} uses TLS but does not verify the certificate: a server that impersonates ${host} gets the password`,
    'Set sslmode=verify-full&sslrootcert=<file> in DATABASE_URL.',
  );
}

export const postgresEncryption: Check<PostgresContext> = {
  name: 'encryption',
  async run({ pool, config }) {
    const [row] = await query(
      pool,
      statement<{ ssl: boolean }>(
        'operations.read_encryption',
        'reading pg_stat_ssl',
        'select ssl from pg_stat_ssl where pid = pg_backend_pid()',
      ),
    );
    return judgePostgres(config.database.url, row?.ssl === true);
  },
};

/** What goes to the brokers unencrypted besides the events, and is worth stealing. */
const sentInClear: Readonly<Record<string, string>> = {
  plain: 'password',
  oauthbearer: 'token',
};

export function judgeKafka({ brokers, ssl, saslMechanism, oauth }: Config['kafka']): Verdict {
  const bare = bareTokenEndpoint(oauth, 'kafka.oauth');
  if (bare !== undefined) return bare;
  const far = brokers.map((broker) => broker.replace(/:\d+$/, '')).filter((host) => !isLoopback(host));
  if (ssl) return ok('TLS; the certificates of the brokers are verified');
  if (far.length === 0) return ok(ofThisMachine);
  const secret = sentInClear[saslMechanism ?? ''];
  if (secret !== undefined)
    return warn(
      `kafka.saslMechanism is ${saslMechanism} and kafka.ssl is off: the ${secret} goes to ${far.join(', ')} unencrypted`,
      `Set kafka.ssl to true and connect to a SASL_SSL listener${secret === 'password' ? ', or use scram-sha-512' : ''}.`,
    );
  return warn(
    `events go to ${far.join(', ')} unencrypted`,
    'Set kafka.ssl to true, unless you trust the network.',
  );
}

/** A warning where the client secret crosses the network unencrypted. */
function bareTokenEndpoint({ tokenEndpoint }: OAuthSettings, section: string): Verdict | undefined {
  const url = URL.parse(tokenEndpoint ?? '');
  if (url === null || url.protocol === 'https:' || isLoopback(url.hostname)) return undefined;
  return warn(
    `the client secret goes to ${url.hostname} unencrypted (http)`,
    `Set ${section}.tokenEndpoint to the https address of the token endpoint.`,
  );
}

export const kafkaEncryption: Check<KafkaContext> = {
  name: 'encryption',
  run: ({ config }) => Promise.resolve(judgeKafka(config.kafka)),
};

export function judgeRegistry(registry: Config['registry']): Verdict {
  const { username, password, token, tokenFile, oauth } = registry;
  const bareEndpoint = bareTokenEndpoint(oauth, 'registry.oauth');
  if (bareEndpoint !== undefined) return bareEndpoint;
  const urls = (registry.url?.split(',') ?? []).map((text) => new URL(text));
  const bare = urls.filter(({ protocol }) => protocol !== 'https:');
  if (bare.length === 0) return ok('TLS; the certificate of the registry is verified');
  const far = bare.filter(({ hostname }) => !isLoopback(hostname)).map(({ hostname }) => hostname);
  if (far.length === 0) return ok(ofThisMachine);
  const given = [username, password, token, tokenFile, oauth.tokenEndpoint];
  const hasSecret =
    given.some((value) => value !== undefined) || urls.some((url) => url.username + url.password !== '');
  if (!hasSecret) return ok('http, without credentials');
  return warn(
    `the credentials go to ${far.join(', ')} unencrypted (http)`,
    'Set registry.url to the https address of the registry.',
  );
}

export const registryEncryption: Check<RegistryContext> = {
  name: 'encryption',
  run: ({ config }) => Promise.resolve(judgeRegistry(config.registry)),
};
