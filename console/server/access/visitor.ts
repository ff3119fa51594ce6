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
export const personMax = 200;

/** @returns the person that a trusted proxy names; undefined where the peer is not one, or names nobody */
export function personOfProxy(
  { userHeader, trustedProxies }: Pick<Config['console'], 'userHeader' | 'trustedProxies'>,
  peer: string,
  header: (name: string) => string | undefined,
): string | undefined {
  if (userHeader === undefined || !isTrusted(trustedProxies, peer)) return undefined;
  const person = header(userHeader)?.trim() ?? '';
  return person === '' || person.length > personMax ? undefined : person;
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
