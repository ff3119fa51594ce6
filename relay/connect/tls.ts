/**
 * What the connections to all three servers share of TLS: reading PEM files, and telling a refusal that waiting cannot
 * mend (another authority, another name, expired, a port that does not speak TLS) from a connection that was only lost.
 */
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { RelayError } from '../errors.ts';

export type TlsFiles = {
  readonly sslCaFile?: string | undefined;
  readonly sslCertFile?: string | undefined;
  readonly sslKeyFile?: string | undefined;
};

/** Options of `tls.connect`. Without a CA file the authorities that Node knows are trusted. */
export type TlsOptions = {
  readonly rejectUnauthorized: true;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
};

/** @throws RelayError CONFIG_INVALID when a file cannot be read, or is not what it should be. */
export function tlsOptions({ sslCaFile, sslCertFile, sslKeyFile }: TlsFiles): TlsOptions {
  const identity = {
    ...(sslCertFile === undefined ? {} : { cert: readPem(sslCertFile, 'CERTIFICATE') }),
    ...(sslKeyFile === undefined ? {} : { key: readPem(sslKeyFile, 'PRIVATE KEY') }),
  };
  try {
    createSecureContext(identity);
  } catch (cause) {
    const files = [sslCertFile, sslKeyFile].filter((file) => file !== undefined).join(' and ');
    throw new RelayError('CONFIG_INVALID', `${files} cannot be used as certificate and key`, { cause });
  }
  return {
    rejectUnauthorized: true,
    ...(sslCaFile === undefined ? {} : { ca: readPem(sslCaFile, 'CERTIFICATE') }),
    ...identity,
  };
}

/** OpenSSL passes over what is not PEM in a CA file; every server would then be refused, for a reason nobody sees. */
function readPem(file: string, label: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new RelayError('CONFIG_INVALID', `the file ${file} cannot be read`, { cause });
  }
  if (new RegExp(`^-----BEGIN [A-Z0-9 ]*${label}-----`, 'm').test(text)) return text;
  throw new RelayError('CONFIG_INVALID', `the file ${file} holds no ${label.toLowerCase()} in PEM`);
}

/**
 * Why the server's certificate was not accepted, as Node names it.
 * @see https://nodejs.org/docs/latest-v24.x/api/tls.html#x509-certificate-error-codes
 */
const certificateCodes: ReadonlySet<string> = new Set([
  'CERT_CHAIN_TOO_LONG',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_REJECTED',
  'CERT_REVOKED',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'HOSTNAME_MISMATCH',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'PATH_LENGTH_EXCEEDED',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

/**
 * What OpenSSL says when the peer refused our certificate or has no version or cipher in common with us, and when the
 * port speaks something else. Everything else of it, such as an end in the midst of a record, may be a lost connection.
 */
const refusal =
  /^ERR_SSL_(?:.*ALERT_(?:ACCESS_DENIED|BAD_CERTIFICATE|CERTIFICATE_\w+|HANDSHAKE_FAILURE|INSUFFICIENT_SECURITY|NO_CERTIFICATE|PROTOCOL_VERSION|UNKNOWN_CA|UNSUPPORTED_CERTIFICATE)|HTTP_REQUEST|NO_PROTOCOLS_AVAILABLE|PACKET_LENGTH_TOO_LONG|UNSUPPORTED_PROTOCOL|WRONG_VERSION_NUMBER)$/;

/** The code with which TLS was refused, of the error or of what caused it; undefined for every other failure. */
export function tlsRefusal(error: unknown): string | undefined {
  for (
    let current = error, depth = 0;
    current instanceof Error && depth < 8;
    current = current.cause, depth++
  ) {
    if (!('code' in current) || typeof current.code !== 'string') continue;
    if (certificateCodes.has(current.code) || refusal.test(current.code)) return current.code;
  }
  return undefined;
}

/** A message without what OpenSSL puts around its own: thread, code, function, file and line. */
export function plainMessage(message: string): string {
  return message.replace(/[0-9A-F]+:error:[0-9A-F]+:SSL routines:[^:]*:([^:]+):.*/s, '$1');
}
