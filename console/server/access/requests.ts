/**
 * Which requests the console answers at all: for its own host, and those of its API only from its own pages. Pure.
 */
import { isIP } from 'node:net';
import type { Config } from '../../../relay/config/config.ts';

const loopbackNames: ReadonlySet<string> = new Set(['localhost', 'localhost.localdomain']);

/**
 * False for a name that is not ours: a page of somebody else can make its own name lead to this machine (DNS rebinding).
 * An address cannot be made to lead elsewhere.
 * @param host as in the header: name or address, and perhaps a port
 */
export function isOurHost(
  { host, hosts }: Pick<Config['console'], 'host' | 'hosts'>,
  given: string,
): boolean {
  // Nothing but a name and a port: no user, path or query, which a URL would take.
  if (!/^[\w.:[\]-]+$/.test(given)) return false;
  const name = URL.parse(`http://${given}`)?.hostname;
  if (name === undefined) return false;
  if (isIP(name.replace(/^\[|\]$/g, '')) !== 0) return true;
  return loopbackNames.has(name) || [host, ...hosts].some((each) => each.toLowerCase() === name);
}

/** What a browser says of a request. */
export type Sender = {
  readonly host: string;
  readonly origin: string | undefined;
  readonly fetchSite: string | undefined;
  readonly contentType: string | undefined;
};

/** @returns why a request that changes something is refused; undefined where it comes from our own page */
export function forgeryOf(
  { host, origin, fetchSite, contentType }: Sender,
  hosts: readonly string[],
): string | undefined {
  if (fetchSite !== undefined && fetchSite !== 'same-origin') return 'the request comes from another site';
  if (origin !== undefined && !isOurOrigin(origin, host, hosts))
    return 'the request comes from a page of another origin';
  // A form of another site cannot send this type without being asked first (CORS).
  if (!/^application\/json\s*(;|$)/i.test(contentType ?? '')) return 'the request must be application/json';
  return undefined;
}

function isOurOrigin(origin: string, host: string, hosts: readonly string[]): boolean {
  const url = URL.parse(origin);
  if (url === null || !/^https?:$/.test(url.protocol)) return false;
  // Of the same scheme, so that a default port is left out on both sides.
  const isSame = url.host === URL.parse(`${url.protocol}//${host}`)?.host;
  // A proxy may change the host that arrives here, so the names that browsers use count too.
  return isSame || hosts.some((each) => each.toLowerCase() === url.hostname);
}

/**
 * Whether a page of another site reads our API. The browser keeps the answer from it, but the work would be done, with the
 * rights of whoever looks at that page.
 * @param fetchSite `none` where a person typed the address; undefined from what is no browser, or an old one. A header that
 * came twice is one text, which is neither.
 */
export const isForeignRead = (fetchSite: string | undefined): boolean =>
  fetchSite !== undefined && fetchSite !== 'same-origin' && fetchSite !== 'none';

/**
 * The path below the prefix under which browsers see the console. A proxy may leave the prefix or strip it: both work.
 * @param prefix begins and ends with /
 */
export function withoutPrefix(path: string, prefix: string): string {
  if (path.startsWith(prefix)) return path.slice(prefix.length - 1);
  return path === prefix.slice(0, -1) ? '/' : path;
}
