/**
 * Owns the addresses of brokers as people write them: `host:port`, an IPv6 address in brackets. kafkajs parts them at the
 * first colon, so an IPv6 address travels through it under a name without any, and is itself again for the socket.
 */

/** Of a host no colon is part, unless it is in brackets. */
const address = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s,:/[\]]+)):(\d{1,5})$/;

/** As Windows writes an IPv6 address where none may hold a colon. */
const disguise = '.ipv6-literal.net';

export type BrokerAddress = { readonly host: string; readonly port: number };

export function parseBrokerAddress(text: string): BrokerAddress | undefined {
  const parts = address.exec(text);
  const port = Number(parts?.[3]);
  if (parts === null || port < 1 || port > 65_535) return undefined;
  return { host: (parts[1] ?? parts[2])!, port };
}

/** What is wrong with an address, in words that say how it is written. */
export function addressFault(text: string): string {
  if (text.includes('://')) return 'must be host:port without a scheme; kafka.ssl says whether it is TLS';
  return 'must be host:port, an IPv6 address in brackets as in [::1]:9092';
}

/** As kafkajs can part it. */
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
