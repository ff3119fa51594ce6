/**
 * Owns certificates for servers that are started here: an authority that lives as long as the object, and what it
 * issues. X.509 is written by hand because Node cannot make a certificate, Java's keytool does not give a key away as
 * PEM, OpenSSL's command is not everywhere, and what npm has brings a dozen packages for these sixty lines. Nothing
 * rests on their being right but tests: OpenSSL in Node and Postgres and Java in Kafka each refuse what is not.
 * @see https://datatracker.ietf.org/doc/html/rfc5280#section-4.1
 */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

/** A certificate and its key (PKCS #8), both PEM. */
export type Identity = { readonly certificate: string; readonly key: string };

export type Wanted = {
  /** Common name; what Kafka makes a principal of, `User:CN=<name>`. */
  readonly name: string;
  /** IPv4 addresses it stands for. */
  readonly addresses?: readonly string[];
  /** Host names it stands for. */
  readonly hosts?: readonly string[];
  /** By default a day from now; in the past for one that has expired. */
  readonly notAfter?: Date;
};

const dayMs = 86_400_000;

export class Authority {
  /** PEM. */
  readonly certificate: string;
  readonly #name: string;
  readonly #key: KeyObject;

  constructor(name: string) {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.#name = name;
    this.#key = privateKey;
    this.certificate = this.#certify(publicKey, { name }, [
      extension(oid.basicConstraints, sequence(boolean(true)), true),
      extension(oid.keyUsage, bits(signsCertificates), true),
    ]);
  }

  /** An identity for a server or a client. */
  issue(wanted: Wanted): Identity {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const names = [
      ...(wanted.hosts ?? []).map((host) => der(0x82, Buffer.from(host, 'ascii'))),
      ...(wanted.addresses ?? []).map((address) => der(0x87, Buffer.from(address.split('.').map(Number)))),
    ];
    const certificate = this.#certify(publicKey, wanted, [
      extension(oid.keyUsage, bits(signsHandshakes), true),
      extension(oid.extendedKeyUsage, sequence(object(oid.serverAuth), object(oid.clientAuth))),
      ...(names.length === 0 ? [] : [extension(oid.subjectAltName, sequence(...names))]),
    ]);
    return { certificate, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
  }

  #certify(publicKey: KeyObject, { name, notAfter }: Wanted, extensions: readonly Buffer[]): string {
    const until = notAfter ?? new Date(Date.now() + dayMs);
    const from = new Date(Math.min(until.getTime(), Date.now()) - dayMs);
    const body = sequence(
      der(0xa0, integer(Buffer.from([2]))), // version 3
      integer(Buffer.from([1, ...randomBytes(15)])),
      sequence(object(oid.ecdsaWithSha256)),
      distinguishedName(this.#name),
      sequence(time(from), time(until)),
      distinguishedName(name),
      publicKey.export({ type: 'spki', format: 'der' }),
      der(0xa3, sequence(...extensions)),
    );
    const signature = sign('sha256', body, this.#key);
    return pem(sequence(body, sequence(object(oid.ecdsaWithSha256)), bits(Buffer.from([0, ...signature]))));
  }
}

/** As DER has them. */
const oid = {
  commonName: '550403',
  keyUsage: '551d0f',
  subjectAltName: '551d11',
  basicConstraints: '551d13',
  extendedKeyUsage: '551d25',
  serverAuth: '2b06010505070301',
  clientAuth: '2b06010505070302',
  ecdsaWithSha256: '2a8648ce3d040302',
} as const;

/** Bits of keyUsage, after the number of bits that are not used: keyCertSign and cRLSign; digitalSignature. */
const signsCertificates = Buffer.from([1, 0x06]);
const signsHandshakes = Buffer.from([7, 0x80]);

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const head =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...head]), content]);
}

const sequence = (...parts: readonly Buffer[]) => der(0x30, ...parts);
const integer = (bytes: Buffer) => der(0x02, bytes);
const boolean = (value: boolean) => der(0x01, Buffer.from([value ? 0xff : 0]));
const bits = (bytes: Buffer) => der(0x03, bytes);
const object = (hex: string) => der(0x06, Buffer.from(hex, 'hex'));

const distinguishedName = (name: string) =>
  sequence(der(0x31, sequence(object(oid.commonName), der(0x0c, Buffer.from(name)))));

const extension = (hex: string, value: Buffer, isCritical = false) =>
  sequence(object(hex), ...(isCritical ? [boolean(true)] : []), der(0x04, value));

/** `YYMMDDhhmmssZ`, which is right until 2049. */
const time = (date: Date) =>
  der(0x17, Buffer.from(`${date.toISOString().slice(2, 19).replaceAll(/[-:T]/g, '')}Z`, 'ascii'));

const pem = (bytes: Buffer) =>
  `-----BEGIN CERTIFICATE-----\n${bytes.toString('base64').replaceAll(/.{64}/g, '$&\n').trimEnd()}\n-----END CERTIFICATE-----\n`;
