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
  return partsFault(url, [url.hostname]);
}

function postgresFault(text: string): string | undefined {
  const parsed = parsePostgresUrl(text);
  if (parsed === undefined) return `cannot be read as a URL: ${encoded}`;
  const { url, hosts } = parsed;
  const fault = partsFault(
    url,
    hosts.map(({ host }) => host),
  );
  if (fault !== undefined) return fault;
  const target = url.searchParams.get('target_session_attrs');
  return hostsFault(hosts) ?? (target === null ? undefined : targetFault(target));
}

function partsFault(url: URL, hosts: readonly string[]): string | undefined {
  if ([url.pathname, ...hosts].some((part) => part.includes('@')))
    return `has an @ after the host name, perhaps because the password contains a /: ${encoded}`;
  if (![url.username, url.password, url.hostname, url.pathname].every(isDecodable))
    return `contains a % that does not start a code such as %25: ${encoded}`;
  return undefined;
}

function isDecodable(part: string): boolean {
  try {
    decodeURIComponent(part);
    return true;
  } catch {
    return false;
  }
}
