/** Whether events, and the credentials for them, cross the network so that anybody on the way can read them. */
import type { Config } from '../../config/config.ts';
import { query } from '../../connect/postgres/statement.ts';
import { type Check, ok, type Verdict, warn } from './finding.ts';
import type { KafkaContext } from './kafka.ts';
import type { PostgresContext } from './postgres.ts';
import type { RegistryContext } from './registry.ts';

const ofThisMachine = 'only this machine takes part';

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
  const { hostname, searchParams } = new URL(url);
  const host = decodeURIComponent(searchParams.get('host') ?? hostname);
  const [mode, isCompatible] = [searchParams.get('sslmode'), searchParams.get('uselibpqcompat') === 'true'];
  if (host === '' || isLoopback(host)) return ok(ofThisMachine);
  if (!isEncrypted)
    return warn(
      `${host} is spoken to without TLS: the password, or what answers for it, and every event can be read on the way`,
      'Add ?sslmode=verify-full&sslrootcert=<file> to DATABASE_URL; without sslmode there is no TLS.',
    );
  const trustsAnybody =
    mode === 'no-verify' ||
    (isCompatible && (mode === 'require' || mode === 'prefer') && !searchParams.has('sslrootcert'));
  if (!trustsAnybody) return ok('TLS, and the certificate of the server is verified');
  return warn(
    `TLS with ${host}, and nobody verifies its certificate: whoever answers there gets the password`,
    'Set sslmode=verify-full&sslrootcert=<file> in DATABASE_URL.',
  );
}

export const postgresPrivacy: Check<PostgresContext> = {
  name: 'privacy',
  async run({ pool, config }) {
    const [row] = await query<{ ssl: boolean }>(
      pool,
      'asking whether the connection is encrypted',
      'select ssl from pg_stat_ssl where pid = pg_backend_pid()',
    );
    return judgePostgres(config.database.url, row?.ssl === true);
  },
};

export function judgeKafka({ brokers, ssl, saslMechanism }: Config['kafka']): Verdict {
  const far = brokers.map((broker) => broker.replace(/:\d+$/, '')).filter((host) => !isLoopback(host));
  if (ssl) return ok('TLS, and the certificates of the brokers are verified');
  if (far.length === 0) return ok(ofThisMachine);
  if (saslMechanism === 'plain')
    return warn(
      `saslMechanism plain without TLS: the password goes to ${far.join(', ')} as it is`,
      'Set kafka.ssl, with a listener SASL_SSL at the brokers, or use scram-sha-512.',
    );
  return warn(
    `${far.join(', ')}: events go there without TLS`,
    'Set kafka.ssl, unless the network is trusted.',
  );
}

export const kafkaPrivacy: Check<KafkaContext> = {
  name: 'privacy',
  run: ({ config }) => Promise.resolve(judgeKafka(config.kafka)),
};

export function judgeRegistry({ url, username, password, token }: Config['registry']): Verdict {
  const { protocol, hostname, username: user, password: secret } = new URL(url);
  if (protocol === 'https:') return ok('TLS, and the certificate of the registry is verified');
  if (isLoopback(hostname)) return ok(ofThisMachine);
  const hasSecret = [username, password, token].some((value) => value !== undefined) || user + secret !== '';
  if (!hasSecret) return ok('http, and no credentials are sent');
  return warn(
    `the credentials go to ${hostname} over http, as they are`,
    'Set registry.url to its https address.',
  );
}

export const registryPrivacy: Check<RegistryContext> = {
  name: 'privacy',
  run: ({ config }) => Promise.resolve(judgeRegistry(config.registry)),
};
