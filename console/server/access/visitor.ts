/**
 * Who visits, and what that person may do. Pure. Promise: a request is nobody's unless a session or a trusted proxy says
 * otherwise, and nobody sees or does anything.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { BlockList, isIP } from 'node:net';
import type { Config } from '../../../relay/config/config.ts';

/** `view` looks; `operate` acts too. */
export type Role = 'view' | 'operate';

export type PayloadView = Config['console']['viewPayloads'];

export type Visitor = {
  /** As it goes into the audit trail. */
  readonly person: string;
  readonly role: Role;
  readonly payloads: PayloadView;
  /** `proxy`: its header named the person; there is nothing to sign out of. */
  readonly via: 'token' | 'proxy';
};

export function visitorOf(
  person: string,
  role: Role,
  via: Visitor['via'],
  { viewPayloads, operatePayloads }: Pick<Config['console'], 'viewPayloads' | 'operatePayloads'>,
): Visitor {
  return { person, role, payloads: role === 'operate' ? operatePayloads : viewPayloads, via };
}

/** Longer names do not fit the audit trail. */
const personMax = 200;

/** @returns the name as it goes into the audit trail; undefined where it is none: empty, too long, or not printable */
export function personOf(given: string): string | undefined {
  const person = given.trim();
  // Characters that act on a terminal, or turn the direction of what stands beside them.
  return person === '' || person.length > personMax || /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(person)
    ? undefined
    : person;
}

/**
 * @param header every value of it in the request
 * @returns the person that a trusted proxy names; undefined where the peer is not one, or names nobody
 */
export function personOfProxy(
  { userHeader, trustedProxies }: Pick<Config['console'], 'userHeader' | 'trustedProxies'>,
  peer: string,
  header: (name: string) => readonly string[],
): string | undefined {
  if (userHeader === undefined || !isTrusted(trustedProxies, peer)) return undefined;
  const values = header(userHeader.toLowerCase());
  // Twice: a browser sent one too, and the proxy added its own instead of replacing it. Neither is believed.
  return values.length === 1 ? personOf(utf8Of(values[0]!)) : undefined;
}

/** Node reads headers as Latin-1; proxies write names as UTF-8. */
function utf8Of(value: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(value, 'latin1'));
  } catch {
    return value;
  }
}

/**
 * The address that a limit of attempts belongs to: the nearest one that is no trusted proxy. What a client claims itself
 * stands further left, and does not count.
 * @param forwardedFor X-Forwarded-For
 */
export function clientOf(
  networks: readonly string[],
  peer: string,
  forwardedFor: string | undefined,
): string {
  const hops = [...(forwardedFor ?? '').split(',').map((hop) => hop.trim()), peer];
  for (let index = hops.length - 1; index > 0; index--) {
    const next = hops[index - 1]!;
    if (!isTrusted(networks, hops[index]!) || isIP(next) === 0) return hops[index]!;
  }
  return hops[0]!;
}

export function isTrusted(networks: readonly string[], peer: string): boolean {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', bits] = network.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  // A socket that takes both families shows IPv4 as ::ffff:10.0.0.1.
  const plain = peer.replace(/^::ffff:(?=\d+\.)/i, '');
  const family = isIP(plain);
  return family !== 0 && list.check(plain, family === 6 ? 'ipv6' : 'ipv4');
}

export function roleOfProxy(operators: readonly string[], person: string): Role {
  return operators.includes('*') || operators.includes(person) ? 'operate' : 'view';
}

export type Tokens = { readonly view: string | undefined; readonly operate: string | undefined };

/** @returns what the token allows; undefined where it is none of ours */
export function roleOfToken({ view, operate }: Tokens, token: string): Role | undefined {
  // Both are compared always: the time must not tell which one is near.
  const isOperate = isSame(operate, token);
  const isView = isSame(view, token);
  return isOperate ? 'operate' : isView ? 'view' : undefined;
}

/** Takes the same time for every token: digests are of one length. */
function isSame(known: string | undefined, given: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  const isEqual = timingSafeEqual(digest(known ?? ''), digest(given));
  return known !== undefined && isEqual;
}
