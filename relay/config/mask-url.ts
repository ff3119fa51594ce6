/** An address as it may be shown. Promise: no secret in it. What may be one and cannot be told apart is masked with it. */
import { parsePostgresUrl } from './postgres-url.ts';
import { isSecretKey } from './secret-keys.ts';

const masked = '***';

/** A URL, or several, with each secret as `***`. What cannot be read as a URL is masked whole. */
export function maskUrl(text: string): string {
  const several = text.split(',');
  if (several.length > 1 && several.every((each) => /^https?:/i.test(each)))
    return several.map(maskUrl).join(',');
  if (mayEndEarly(text)) return masked;
  return /^postgres/i.test(text) ? maskPostgresUrl(text) : maskHttpUrl(text);
}

/** Whether an address holds a secret, as far as it can be told. */
export const hasSecret = (address: string): boolean => maskUrl(address).includes(masked);

/**
 * `postgres://u:1/x@h` is a password that has a `/`, or the database `x@h` behind a host `u` with a port: who shows it shows
 * neither.
 */
function mayEndEarly(text: string): boolean {
  const [, authority = '', rest = ''] = /^\w+:\/\/([^/?#]*)([^&=]*)/.exec(text) ?? [];
  return /:[^\]]*$/.test(authority) && rest.includes('@');
}

/** The relay knows none of its parameters, so each value is masked, and a word alone, which may be the secret itself. */
function maskHttpUrl(text: string): string {
  const url = URL.parse(text);
  if (url === null) return masked;
  if (url.password !== '') url.password = masked;
  if (url.search !== '')
    url.search = url.search
      .slice(1)
      .split('&')
      .map((pair) => (pair.includes('=') ? `${pair.split('=', 1)[0]}=${masked}` : masked))
      .join('&');
  return url.toString();
}

function maskPostgresUrl(text: string): string {
  const shown = text
    .replace(/^(\w+:\/\/[^/?]*?):[^/?]*@/, `$1:${masked}@`)
    .replace(/([?&])([^=&]*)=[^&]*/g, (pair, mark: string, key: string) =>
      isSecretKey(key) ? `${mark}${key}=${masked}` : pair,
    );
  const parameters = parsePostgresUrl(shown)?.url.searchParams;
  if (parameters === undefined) return masked;
  return [...parameters].every(([key, value]) => value === masked || !isSecretKey(key)) ? shown : masked;
}
