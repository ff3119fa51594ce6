/**
 * Owns what the connections to all three servers share of TLS: it reads PEM files, and distinguishes a refusal, for
 * which a retry does not help (unknown authority, wrong name, expired, no TLS on the port), from a lost connection.
 */
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { RelayError } from '../errors.ts';

/** What a setting is called that names such a file, for messages. */
export type TlsFileNames = Readonly<Record<keyof TlsFiles, string>>;

const ofSettings: TlsFileNames = {
  sslCaFile: 'sslCaFile',
  sslCertFile: 'sslCertFile',
  sslKeyFile: 'sslKeyFile',
};

export type TlsFiles = {
  readonly sslCaFile?: string | undefined;
  readonly sslCertFile?: string | undefined;
  readonly sslKeyFile?: string | undefined;
};

/** Options of `tls.connect`. Without a CA file, Node trusts the authorities that it knows. */
export type TlsOptions = {
  readonly rejectUnauthorized: true;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
};

/** @throws RelayError CONFIG_INVALID if a file cannot be read or does not hold what it should */
export function tlsOptions(
  { sslCaFile, sslCertFile, sslKeyFile }: TlsFiles,
  names: TlsFileNames = ofSettings,
): TlsOptions {
  const identity = {
    ...(sslCertFile === undefined ? {} : { cert: readPem(sslCertFile, 'CERTIFICATE', names.sslCertFile) }),
    ...(sslKeyFile === undefined ? {} : { key: readPem(sslKeyFile, 'PRIVATE KEY', names.sslKeyFile) }),
  };
  try {
    createSecureContext(identity);
  } catch (cause) {
    const files = [sslCertFile, sslKeyFile].filter((file) => file !== undefined).join(' and ');
    throw new RelayError('CONFIG_INVALID', `${files} cannot be used as certificate and key`, { cause });
  }
  return {
    rejectUnauthorized: true,
    ...(sslCaFile === undefined ? {} : { ca: readPem(sslCaFile, 'CERTIFICATE', names.sslCaFile) }),
    ...identity,
  };
}

/**
 * For connections to come: the files are read for each one, so that a certificate that was renewed counts without a
 * restart. Files that are of no use now, perhaps because they are just being written, leave the last good ones in place.
 * @throws RelayError CONFIG_INVALID if they are of no use to begin with
 */
export function freshTls(files: TlsFiles): () => TlsOptions {
  let last = tlsOptions(files);
  return () => {
    try {
      last = tlsOptions(files);
    } catch (error) {
      if (!(error instanceof RelayError)) throw error;
    }
    return last;
  };
}

/**
 * OpenSSL skips what is not PEM in a CA file. Every server would then be refused, and no message would name the file.
 */
function readPem(file: string, label: string, setting: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new RelayError('CONFIG_INVALID', `cannot read the file ${file} of ${setting}`, { cause });
  }
  if (new RegExp(`^-----BEGIN [A-Z0-9 ]*${label}-----`, 'm').test(text)) return text;
  throw new RelayError(
    'CONFIG_INVALID',
    `the file ${file} of ${setting} contains no ${label.toLowerCase()} in PEM format`,
  );
}

/**
 * Node's codes for a server certificate that it does not accept.
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
 * OpenSSL's codes for a peer that refused our certificate, has no version or cipher in common with us, or does not
 * speak TLS. Every other code, such as an end in the middle of a record, may be a lost connection.
 */
const refusal =
  /^ERR_SSL_(?:.*ALERT_(?:ACCESS_DENIED|BAD_CERTIFICATE|CERTIFICATE_\w+|HANDSHAKE_FAILURE|INSUFFICIENT_SECURITY|NO_CERTIFICATE|PROTOCOL_VERSION|UNKNOWN_CA|UNSUPPORTED_CERTIFICATE)|HTTP_REQUEST|NO_PROTOCOLS_AVAILABLE|PACKET_LENGTH_TOO_LONG|UNSUPPORTED_PROTOCOL|WRONG_VERSION_NUMBER)$/;

/** The code of a TLS refusal in the error or its causes; undefined for every other failure. */
export function tlsRefusal(error: unknown): string | undefined {
  for (
    let current = error, depth = 0;
    current instanceof Error && depth < 8;
    current = current.cause, depth++
  ) {
    if (!('code' in current) || typeof current.code !== 'string') continue;
    const code = current.code === 'EPROTO' ? codeWithin(current.message) : current.code;
    if (certificateCodes.has(code) || refusal.test(code)) return code;
  }
  return undefined;
}

/** A write that waits for the handshake, such as a request over HTTPS, fails with EPROTO: the reason is in the message. */
function codeWithin(message: string): string {
  const reason = /:SSL routines:[^:]*:([^:]+):/.exec(message)?.[1] ?? '';
  return `ERR_SSL_${reason.toUpperCase().replaceAll(' ', '_')}`;
}

/** The message without what OpenSSL adds to it: thread, code, function, file and line. */
export function plainMessage(message: string): string {
  return message.replace(/[0-9A-F]+:error:[0-9A-F]+:SSL routines:[^:]*:([^:]+):.*/s, '$1');
}
