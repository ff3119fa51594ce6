/** Owns a token in a file that something else renews, as Kubernetes does with projected tokens: read at each use. */
import { RelayError } from '../../errors.ts';
import { readSecret } from './file.ts';
import { checkedToken, expiryOf, type TokenSource } from './token.ts';

export function tokenFile(file: string, now: () => number = Date.now): TokenSource {
  return {
    async get() {
      const text = await readSecret(file, `the token file ${file}`);
      const value = checkedToken(text.trim(), `the token file ${file}`);
      const expiresAtMs = expiryOf(value);
      if (expiresAtMs !== undefined && expiresAtMs <= now())
        throw new RelayError(
          'CREDENTIALS_UNAVAILABLE',
          `the token in ${file} expired at ${new Date(expiresAtMs).toISOString()}; the relay reads the file again until it is renewed`,
        );
      return { value, expiresAtMs };
    },
    refused() {},
  };
}
