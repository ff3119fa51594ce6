import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { plainMessage, tlsOptions, tlsRefusal } from '../../../relay/connect/tls.ts';

describe('a failure of TLS', () => {
  const coded = (code: string, cause?: Error) => Object.assign(new Error('failed', { cause }), { code });

  test.each([
    'SELF_SIGNED_CERT_IN_CHAIN',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'CERT_HAS_EXPIRED',
    'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
    'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
    'ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE',
    'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE',
    'ERR_SSL_WRONG_VERSION_NUMBER',
  ])('%s does not pass by waiting, bare or wrapped', (code) => {
    for (const error of [coded(code), new Error('around', { cause: coded(code) })])
      expect(tlsRefusal(error)).toBe(code);
  });

  test.each([
    'ECONNRESET',
    'ETIMEDOUT',
    'ERR_SSL_UNEXPECTED_EOF_WHILE_READING',
    'ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR',
    'ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC',
  ])('%s may pass', (code) => {
    expect(tlsRefusal(coded(code))).toBeUndefined();
  });

  test.each([
    [
      'write EPROTO 40F7:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:../x.c:354:\n',
      true,
    ],
    [
      'write EPROTO 40F7:error:0A000410:SSL routines:ssl3_read_bytes:ssl/tls alert handshake failure:../x.c:1605:\n',
      true,
    ],
    [
      'write EPROTO 40F7:error:0A000126:SSL routines:ssl3_read_n:unexpected eof while reading:../x.c:332:\n',
      false,
    ],
    ['write EPROTO', false],
  ])('that comes as EPROTO is what its message says: %s', (message, isRefusal) => {
    const error = Object.assign(new Error(message), { code: 'EPROTO' });
    expect(tlsRefusal(error) !== undefined).toBe(isRefusal);
  });

  test('is found in the deepest cause, and a loop of causes ends', () => {
    expect(tlsRefusal(coded('ECONNRESET', coded('CERT_HAS_EXPIRED')))).toBe('CERT_HAS_EXPIRED');
    const loop = new Error('loop');
    loop.cause = loop;
    expect(tlsRefusal(loop)).toBeUndefined();
    expect(tlsRefusal('no error')).toBeUndefined();
  });
});

test('a message of OpenSSL is reduced to its text', () => {
  const said =
    '403DCAD0347F0000:error:0A000418:SSL routines:ssl3_read_bytes:tlsv1 alert unknown ca:../ssl/rec_layer_s3.c:918:SSL alert number 48\n';
  expect(plainMessage(`Connection error: ${said}`)).toBe('Connection error: tlsv1 alert unknown ca');
  expect(plainMessage('certificate has expired')).toBe('certificate has expired');
});

describe('a file', () => {
  let folder: string;
  const at = (name: string) => path.join(folder, name);
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'relay-tls-'));
    await writeFile(at('text.pem'), 'sesame, not PEM');
    const body = Buffer.from('sesame').toString('base64');
    await writeFile(at('key.pem'), `-----BEGIN PRIVATE KEY-----\n${body}\n-----END PRIVATE KEY-----\n`);
    await writeFile(at('cert.pem'), `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`);
  });
  afterAll(() => rm(folder, { recursive: true }));

  test.each([
    ['that is missing', { sslCaFile: 'missing.pem' }, 'cannot read'],
    ['of authorities that is not PEM', { sslCaFile: 'text.pem' }, 'contains no certificate in PEM format'],
    [
      'with a key where authorities are expected',
      { sslCaFile: 'key.pem' },
      'contains no certificate in PEM format',
    ],
    [
      'of a certificate where the key is expected',
      { sslCertFile: 'cert.pem', sslKeyFile: 'cert.pem' },
      'contains no private key',
    ],
    [
      'that only looks like a certificate',
      { sslCertFile: 'cert.pem', sslKeyFile: 'key.pem' },
      'cannot be used',
    ],
  ])('%s is a configuration error that names the file and quotes nothing of it', (_, files, what) => {
    const named = Object.fromEntries(Object.entries(files).map(([setting, name]) => [setting, at(name)]));
    const failure = (() => {
      try {
        return tlsOptions(named);
      } catch (error) {
        return error;
      }
    })();
    expect(failure).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining(what) });
    expect(String(failure)).toContain(folder);
    if (what !== 'cannot be used') expect(String(failure)).toMatch(/ of ssl(Ca|Cert|Key)File/);
    expect(String(failure)).not.toContain('sesame');
  });
});
