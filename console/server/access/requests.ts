/**
 * Which requests the console answers at all: for its own host, and those that change something only from its own pages.
 * Pure.
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
  const url = URL.parse(`http://${given}`);
  if (url === null) return false;
  const name = url.hostname.toLowerCase();
  if (isIP(name.replace(/^\[|\]$/g, '')) !== 0) return true;
  return [host, ...hosts].some((each) => each.toLowerCase() === name) || loopbackNames.has(name);
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
  if (origin !== undefined) {
    const url = URL.parse(origin);
    // A proxy may change the host that arrives here, so the names that browsers use count too.
    const isOurs = url !== null && (url.host === host || hosts.includes(url.hostname));
    if (!isOurs) return 'the request comes from a page of another origin';
  }
  // A form of another site cannot send this type without being asked first (CORS).
  if (!/^application\/json\b/i.test(contentType ?? '')) return 'the request must be application/json';
  return undefined;
}
