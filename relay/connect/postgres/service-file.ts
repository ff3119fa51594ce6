/**
 * Owns libpq's connection service file: parameters under a name, so that an address is written once for all programs. The
 * registries of npm hold no reader of it. This one takes what libpq takes, but for lookups in LDAP.
 * @see https://www.postgresql.org/docs/current/libpq-pgservice.html
 */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { messageOf, RelayError } from '../../errors.ts';

export type ServiceParameters = ReadonlyMap<string, string>;

/** What libpq knows; it refuses a file with any other, and so does the relay: a misspelt name would be ignored. */
const parameters: ReadonlySet<string> = new Set(
  `authtype channel_binding client_encoding connect_timeout dbname fallback_application_name application_name
   gssdelegation gssencmode gsslib host hostaddr keepalives keepalives_count keepalives_idle keepalives_interval krbsrvname
   load_balance_hosts max_protocol_version min_protocol_version options passfile password port require_auth requirepeer
   requiressl ssl_max_protocol_version ssl_min_protocol_version sslcert sslcertmode sslcompression sslcrl sslcrldir sslkey
   sslmode sslnegotiation sslpassword sslrootcert sslsni target_session_attrs tcp_user_timeout tty user`.split(
    /\s+/,
  ),
);

/**
 * The parameters of a service. As in libpq, the file of the user comes first: PGSERVICEFILE, or ~/.pg_service.conf. If it
 * does not have the service, that of the system follows: pg_service.conf in PGSYSCONFDIR.
 * @throws RelayError CONFIG_INVALID, which names the file, and never quotes it: it may hold a password
 */
export function readService(
  service: string,
  env: Readonly<Record<string, string | undefined>>,
): ServiceParameters {
  const given = env.PGSERVICEFILE;
  const own = given ?? path.join(env.HOME ?? homedir(), '.pg_service.conf');
  const files = [own, ...(env.PGSYSCONFDIR ? [path.join(env.PGSYSCONFDIR, 'pg_service.conf')] : [])];
  const read: string[] = [];
  for (const file of files) {
    const text = textOf(file, file === given);
    if (text === undefined) continue;
    read.push(file);
    const found = parseServices(text, file).get(service);
    if (found !== undefined) return found;
  }
  const where =
    read.length > 0
      ? `${read.join(' and ')} has no section [${service}]`
      : `there is no service file: not ${files.join(', not ')}, and PGSERVICEFILE is not set`;
  throw new RelayError('CONFIG_INVALID', `the service ${service} of database.url is not known: ${where}`);
}

function textOf(file: string, isNamed: boolean): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    if (!isNamed && (cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new RelayError('CONFIG_INVALID', `the service file cannot be read: ${messageOf(cause)}`, { cause });
  }
}

/** By name. The first section of a name counts, and the first line of a parameter. @throws RelayError CONFIG_INVALID */
export function parseServices(text: string, file: string): ReadonlyMap<string, ServiceParameters> {
  const services = new Map<string, Map<string, string>>();
  let section: Map<string, string> | undefined;
  for (const [at, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const name = /^\[(.*)\]$/.exec(line)?.[1];
    if (name !== undefined) {
      section = new Map();
      if (!services.has(name)) services.set(name, section);
      continue;
    }
    const [parameter = '', value] = splitOnce(line);
    const fault = faultOf(parameter, value, section !== undefined);
    if (fault !== undefined)
      throw new RelayError('CONFIG_INVALID', `line ${at + 1} of the service file ${file} ${fault}`);
    if (section?.has(parameter) === false) section.set(parameter, value!);
  }
  return services;
}

function splitOnce(line: string): readonly [string, string | undefined] {
  const at = line.indexOf('=');
  return at < 0 ? [line, undefined] : [line.slice(0, at), line.slice(at + 1)];
}

function faultOf(parameter: string, value: string | undefined, isInSection: boolean): string | undefined {
  if (parameter.startsWith('ldap:')) return 'asks LDAP, which the relay does not do';
  if (value === undefined) return 'is neither a comment, nor a [section], nor name=value';
  if (!isInSection) return 'stands before the first [section]';
  if (parameter === 'service') return 'names another service, which libpq does not follow either';
  if (!/^\w+$/.test(parameter)) return 'has something other than a name before the =, perhaps a space';
  if (!parameters.has(parameter)) return `has the parameter ${parameter}, which libpq does not have`;
  return undefined;
}
