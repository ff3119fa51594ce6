/**
 * Explains what is wrong with the address of a server, by the mistakes that people make: a password that is not
 * percent-encoded, a list of hosts as libpq takes it. Never quotes the address, which may hold the password.
 */

const encoded = 'in user and password, write / ? # @ and % as %2F, %3F, %23, %40 and %25';

/** @returns what to do; undefined where the address is fine */
export function urlFault(text: string): string | undefined {
  if (text.includes('#')) return `contains a #, which ends the address: ${encoded}`;
  const authority = /^[a-z]+:\/\/([^/?]*)/i.exec(text)?.[1] ?? '';
  const hosts = authority.slice(authority.lastIndexOf('@') + 1);
  if (hosts.includes(','))
    return 'names several hosts: name one that is or follows the primary (a DNS name, a TCP proxy)';
  const url = URL.parse(text);
  if (url === null) return `cannot be read as a URL: ${encoded}`;
  if (url.searchParams.get('host')?.includes(','))
    return 'names several hosts in the parameter host: name one that is or follows the primary';
  if (/@/.test(url.pathname) || /@/.test(url.hostname))
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
