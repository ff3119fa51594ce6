/**
 * Explains what is wrong with the address of a server, by the mistakes that people make: a password that is not
 * percent-encoded, hosts and ports that do not belong together. Never quotes the address, which may hold the password.
 */

import { hostsFault, parsePostgresUrl, targetFault } from './postgres-url.ts';

const encoded = 'in user and password, write / ? # @ and % as %2F, %3F, %23, %40 and %25';

/** @returns what to do; undefined where the address is fine */
export function urlFault(text: string): string | undefined {
  if (text.includes('#')) return `contains a #, which ends the address: ${encoded}`;
  if (/^postgres(ql)?:/i.test(text)) return postgresFault(text);
  const url = URL.parse(text);
  if (url === null) return `cannot be read as a URL: ${encoded}`;
  return partsFault(text, url);
}

function postgresFault(text: string): string | undefined {
  const parsed = parsePostgresUrl(text);
  if (parsed === undefined) return `cannot be read as a URL: ${encoded}`;
  const { url, hosts } = parsed;
  const fault = partsFault(text, url);
  if (fault !== undefined) return fault;
  const target = url.searchParams.get('target_session_attrs');
  return hostsFault(hosts) ?? (target === null ? undefined : targetFault(target));
}

function partsFault(text: string, url: URL): string | undefined {
  const [, authority = '', path = ''] = /^\w+:\/\/([^/?]*)([^?]*)/.exec(text) ?? [];
  if (endsInPath(authority, path))
    return `has an @ after the host name, perhaps because the password contains a /: ${encoded}; in the path, write @ as %40`;
  if (![url.username, url.password, url.hostname, url.pathname].every(isDecodable))
    return `contains a % that does not start a code such as %25: ${encoded}`;
  return undefined;
}

/**
 * Whether a password goes on in the path: `u:1/x@h/db` has a `/` in it. Without a colon no password has begun. A name of a
 * database or a path with an @, as in `h:5432/db@x`, has no further host, so neither a port nor a path behind the @.
 */
export function endsInPath(authority: string, path: string): boolean {
  if (!/:[^\]]*$/.test(authority) || !path.includes('@')) return false;
  const isNoPort = !authority.includes('@') && !/:\d*$/.test(authority);
  return isNoPort || /@[^/@]*(?:\/|:\d+$)/.test(path);
}

function isDecodable(part: string): boolean {
  try {
    decodeURIComponent(part);
    return true;
  } catch {
    return false;
  }
}
