/**
 * What is wrong with the address of a server, told by what people do: a password that is pasted in as it is, the list of
 * hosts that libpq takes. Never quotes the address, which may hold the password.
 */

const encoded = 'in user and password, write / ? # @ and % as %2F, %3F, %23, %40 and %25';

/** @returns what to do; undefined where the address is fine */
export function urlFault(text: string): string | undefined {
  if (text.includes('#')) return `has a #, which ends the address: ${encoded}`;
  const authority = /^[a-z]+:\/\/([^/?]*)/i.exec(text)?.[1] ?? '';
  const hosts = authority.slice(authority.lastIndexOf('@') + 1);
  if (hosts.includes(','))
    return 'names several hosts: give one, of the primary or that follows the primary (a DNS name, a proxy by TCP)';
  const url = URL.parse(text);
  if (url === null) return `cannot be read as a URL: ${encoded}`;
  if (url.searchParams.get('host')?.includes(','))
    return 'names several hosts in the parameter host: give one, of the primary or that follows the primary';
  if (/@/.test(url.pathname) || /@/.test(url.hostname))
    return `has an @ behind the name of the host, as where the password has a /: ${encoded}`;
  if (![url.username, url.password, url.hostname, url.pathname].every(isDecodable))
    return `has a % that begins no code such as %25: ${encoded}`;
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
