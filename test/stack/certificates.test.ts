import { createPrivateKey, X509Certificate } from 'node:crypto';
import { expect, test } from 'vitest';
import { Authority } from '../../stack/certificates.ts';

test('an authority issues what stands for the names asked for, with the key to it', () => {
  const authority = new Authority('Authority');
  const issuer = new X509Certificate(authority.certificate);
  const { certificate, key } = authority.issue({
    name: 'server',
    addresses: ['127.0.0.1'],
    hosts: ['db.test'],
  });
  const issued = new X509Certificate(certificate);
  expect([issuer.ca, issued.ca, issued.subject, issued.issuer]).toEqual([
    true,
    false,
    'CN=server',
    'CN=Authority',
  ]);
  expect(issued.verify(issuer.publicKey)).toBe(true);
  expect(issued.verify(new X509Certificate(new Authority('Authority').certificate).publicKey)).toBe(false);
  expect(issued.checkPrivateKey(createPrivateKey(key))).toBe(true);
  expect([issued.checkIP('127.0.0.1'), issued.checkHost('db.test')]).toEqual(['127.0.0.1', 'db.test']);
  expect([issued.checkIP('127.0.0.2'), issued.checkHost('localhost')]).toEqual([undefined, undefined]);
});

test('a certificate holds from yesterday to tomorrow, or to a time of the past', () => {
  const authority = new Authority('Authority');
  const hoursLeft = (notAfter?: Date) => {
    const { certificate } = authority.issue({ name: 'x', ...(notAfter === undefined ? {} : { notAfter }) });
    return (Date.parse(new X509Certificate(certificate).validTo) - Date.now()) / 3_600_000;
  };
  expect(hoursLeft()).toBeCloseTo(24, 1);
  expect(hoursLeft(new Date(Date.now() - 3_600_000))).toBeCloseTo(-1, 1);
});
