/**
 * Owns where a connection may lead, and as whom: the URL, completed as libpq completes it by a service, and by the
 * environment. It is made for each connection, so that what changed in the service file counts for the next one.
 */
import {
  type HostPort,
  hostsFault,
  pair,
  parsePostgresUrl,
  targetFault,
  type Wanted,
  wantedOf,
} from '../../config/postgres-url.ts';
import { RelayError } from '../../errors.ts';
import { readService, type ServiceParameters } from './service-file.ts';

export type Host = {
  /** A name, an address, or the directory of a socket. */
  readonly host: string;
  readonly port: number;
};

export type Address = {
  /** User, password, database and parameters. The host in it means nothing. */
  readonly url: URL;
  /** At least one, in the order in which to try them. */
  readonly hosts: readonly Host[];
  readonly wanted: Wanted;
};

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws RelayError CONFIG_INVALID if it names a service that is not known, or hosts that cannot be used */
export function addressOf(text: string, env: Environment = process.env): Address {
  const parsed = parsePostgresUrl(text);
  if (parsed === undefined) throw invalid('cannot be read as a URL');
  const { url } = parsed;
  const service = url.searchParams.get('service') ?? env.PGSERVICE ?? '';
  const ofService: ServiceParameters = service === '' ? new Map() : readService(service, env);
  const hosts = complete(parsed.hosts, ofService, env);
  complement(url, ofService);
  const { searchParams } = url;
  const target = searchParams.get('target_session_attrs') ?? env.PGTARGETSESSIONATTRS ?? '';
  const fault = hostsFault(hosts) ?? (target === '' ? undefined : targetFault(target));
  if (fault !== undefined) throw invalid(fault);
  for (const name of ['service', 'target_session_attrs']) searchParams.delete(name);
  return {
    url,
    hosts: hosts.map(({ host, port }) => ({ host: host || 'localhost', port: Number(port || 5432) })),
    wanted: wantedOf(target, hosts.length),
  };
}

/** The hosts and ports that the URL leaves out. */
function complete(
  given: readonly HostPort[],
  service: ServiceParameters,
  env: Environment,
): readonly HostPort[] {
  const named = given.some(({ host }) => host !== '');
  if (!named && service.has('hostaddr') && service.has('host'))
    throw invalid('leads to a service with both host and hostaddr: the relay takes one of them');
  const names = named
    ? given.map(({ host }) => host)
    : (service.get('host') ?? service.get('hostaddr') ?? env.PGHOST ?? '').split(',');
  const hasPort = given.some(({ port }) => port !== '');
  const ports = hasPort
    ? given.map(({ port }) => port)
    : (service.get('port') ?? env.PGPORT ?? '').split(',');
  return pair(names, ports);
}

/** What the URL says wins over the service. */
function complement(url: URL, service: ServiceParameters): void {
  for (const [name, value] of service) {
    if (name === 'host' || name === 'hostaddr' || name === 'port') continue;
    if (name === 'user') url.username ||= encodeURIComponent(value);
    else if (name === 'dbname') {
      if (url.pathname.length < 2) url.pathname = `/${encodeURI(value)}`;
    } else if (!url.searchParams.has(name) && !(name === 'password' && url.password !== ''))
      url.searchParams.set(name, value);
  }
}

function invalid(fault: string): RelayError {
  return new RelayError('CONFIG_INVALID', `database.url ${fault}`);
}

/** As it appears in messages. */
export function hostName({ host, port }: Host): string {
  if (host.startsWith('/')) return `${host}/.s.PGSQL.${port}`;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
