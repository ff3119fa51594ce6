import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { loadPeer } from '../../../../relay/connect/credentials/peer.ts';
import { describeClaims, expiryOf } from '../../../../relay/connect/credentials/token.ts';
import { tokenFile } from '../../../../relay/connect/credentials/token-file.ts';
import type { RelayError } from '../../../../relay/errors.ts';

const jwt = (claims: object) => `x.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.y`;

test('the claims of a JWT are read, and those of anything else are not', () => {
  expect(expiryOf(jwt({ exp: 12 }))).toBe(12_000);
  expect(['opaque', 'a.b', 'a.b.c', 'a.b.c.d', jwt({ exp: 'soon' })].map(expiryOf)).toEqual(
    Array(5).fill(undefined),
  );
  expect(describeClaims(jwt({ iss: 'https://idp', aud: ['kafka'], exp: 0, name: 'private' }))).toBe(
    'its claims are iss "https://idp", aud ["kafka"], exp 1970-01-01T00:00:00.000Z',
  );
  expect(describeClaims('opaque')).toBe('it is no JWT');
});

test('a token file is read each time, and says what is wrong with it', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'token-'));
  const file = path.join(folder, 'token');
  const source = tokenFile(file, () => 1_000_000);
  const failure = () =>
    source.get().then(
      () => 'fine',
      ({ code, message }: RelayError) => [code, message],
    );
  try {
    expect(await failure()).toEqual(['CREDENTIALS_UNAVAILABLE', expect.stringContaining('ENOENT')]);
    await writeFile(file, '\n');
    expect(await failure()).toEqual(['CREDENTIALS_UNAVAILABLE', `the token file ${file} contains no token`]);
    await writeFile(file, jwt({ exp: 1_000 }));
    expect(await failure()).toEqual([
      'CREDENTIALS_UNAVAILABLE',
      expect.stringMatching(/ expired at 1970-01-01T00:16:40.000Z;/),
    ]);
    const next = jwt({ exp: 1_001 });
    await writeFile(file, `${next}\n`);
    expect(await source.get()).toEqual({ value: next, expiresAtMs: 1_001_000 });
    await writeFile(file, 'opaque');
    expect(await source.get()).toEqual({ value: 'opaque', expiresAtMs: undefined });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a package that is not installed is named, with how to install it', async () => {
  const missing = loadPeer(
    'no-such-package',
    'kafka.saslMechanism: x',
    () => import('no-such-package' as string),
  );
  await expect(missing).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('npm install no-such-package'),
  });
});
