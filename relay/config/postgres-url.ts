/**
 * Owns the form of the URL of a Postgres database as libpq takes it: several hosts, the directory of a socket, a service.
 * What Node calls a URL has one host and one port. Pure.
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
 */

/** As it was written; empty where it names none. A host may be the directory of a socket. */
export type HostPort = { readonly host: string; readonly port: string };

export type PostgresUrl = {
  /** User, password, database and parameters. Its host stands for those of the list. */
  readonly url: URL;
  readonly hosts: readonly HostPort[];
};

/** Never resolves (RFC 6761). */
const noHost = 'host-of-the-list.invalid';

/** What a relay can do with `target_session_attrs`: it writes. */
const targets: ReadonlySet<string> = new Set(['any', 'read-write', 'primary']);

/**
 * Where a connection may lead with this `target_session_attrs`. The sessions of the relay are read-write wherever the
 * server is a primary, so `read-write` and `primary` mean the same.
 */
export type Wanted = 'any' | 'primary';

/** @param target as in the URL; undefined or empty where it says nothing */
export function wantedOf(target: string | undefined, hostsCount: number): Wanted {
  // libpq would take any. With several hosts only one can be the right one.
  if (target === undefined || target === '') return hostsCount > 1 ? 'primary' : 'any';
  return target === 'any' ? 'any' : 'primary';
}

/** @returns what is wrong with it, if anything */
export function targetFault(target: string): string | undefined {
  if (targets.has(target)) return undefined;
  return 'has a target_session_attrs other than read-write, primary or any: the relay writes, so it needs a primary';
}

/** @returns undefined for what is no URL */
export function parsePostgresUrl(text: string): PostgresUrl | undefined {
  const parts = /^(postgres(?:ql)?:\/\/)([^/?]*)(.*)$/is.exec(text);
  if (parts === null) return undefined;
  const [, scheme = '', authority = '', rest = ''] = parts;
  const userEnd = authority.lastIndexOf('@') + 1;
  const url = URL.parse(`${scheme}${authority.slice(0, userEnd)}${noHost}${rest}`);
  if (url === null) return undefined;
  const written = authority.slice(userEnd).split(',').map(splitPort);
  if (written.includes(undefined)) return undefined;
  const ofAuthority = written as readonly HostPort[];
  const { searchParams } = url;
  const names = searchParams.get('host')?.split(',') ?? ofAuthority.map(({ host }) => host);
  const ports = searchParams.get('port')?.split(',') ?? ofAuthority.map(({ port }) => port);
  for (const name of ['host', 'port']) searchParams.delete(name);
  return { url, hosts: pair(names, ports) };
}

/**
 * Each host with its port. One port is that of every host; a port too many or too few belongs to a host without a name,
 * which `hostsFault` reports.
 */
export function pair(names: readonly string[], ports: readonly string[]): readonly HostPort[] {
  const count = ports.length === 1 ? names.length : Math.max(names.length, ports.length);
  return Array.from({ length: count }, (_, at) => ({
    host: names[at] ?? '',
    port: (ports.length === 1 ? ports[0] : ports[at]) ?? '',
  }));
}

export function hostsFault(hosts: readonly HostPort[]): string | undefined {
  if (hosts.length > 1 && hosts.some(({ host }) => host === ''))
    return 'has hosts and ports that do not belong together: write host:port,host:port, or one port for all';
  const isPort = (port: string) =>
    port === '' || (/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535);
  if (!hosts.every(({ port }) => isPort(port))) return 'has a port that is no number from 1 to 65535';
  return undefined;
}

/** @returns undefined if it is malformed */
function splitPort(text: string): HostPort | undefined {
  const parts = /^(\[[0-9a-f:.]+\]|[^:[\]\s]*)(?::(.*))?$/i.exec(text);
  if (parts === null) return undefined;
  try {
    const host = decodeURIComponent(parts[1]!).replace(/^\[(.*)\]$/, '$1');
    return { host, port: parts[2] ?? '' };
  } catch {
    return undefined;
  }
}
