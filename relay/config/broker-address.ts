/**
 * Owns the addresses of brokers as people write them: `host:port`, an IPv6 address in brackets. kafkajs splits them at the
 * first colon, so an IPv6 address passes through it under a name without colons, and gets its own form back at the socket.
 */

/** A host has no colon, unless it is in brackets. */
const address = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s,:/[\]]+)):(\d{1,5})$/;

/** The suffix with which Windows writes an IPv6 address where colons are not allowed. */
const disguise = '.ipv6-literal.net';

export type BrokerAddress = { readonly host: string; readonly port: number };

export function parseBrokerAddress(text: string): BrokerAddress | undefined {
  const parts = address.exec(text);
  const port = Number(parts?.[3]);
  if (parts === null || port < 1 || port > 65_535) return undefined;
  return { host: (parts[1] ?? parts[2])!, port };
}

/** What is wrong with an address, and how to write it. */
export function addressFault(text: string): string {
  if (text.includes('://')) return 'must be host:port without a scheme; kafka.ssl selects TLS';
  return 'must be host:port, an IPv6 address in brackets as in [::1]:9092';
}

/** In a form that kafkajs can split. */
export function forKafkajs(text: string): string {
  const { host, port } = parseBrokerAddress(text) ?? { host: text, port: 0 };
  return host.includes(':') ? `${host.replaceAll(':', '-')}${disguise}:${port}` : text;
}

/** The host that a socket connects to. */
export function realHost(host: string): string {
  return host.endsWith(disguise) ? host.slice(0, -disguise.length).replaceAll('-', ':') : host;
}

/** A message of kafkajs with the addresses as people wrote them. */
export function withRealHosts(message: string): string {
  return message.replace(/[0-9a-fA-F.-]*\.ipv6-literal\.net/g, (host) => `[${realHost(host)}]`);
}
