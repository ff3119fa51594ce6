/** Owns a token in a file that something else renews, as Kubernetes does with projected tokens: read at each use. */
import { readFile } from 'node:fs/promises';
import { RelayError } from '../../errors.ts';
import { checkedToken, expiryOf, type TokenSource } from './token.ts';

export function tokenFile(file: string, now: () => number = Date.now): TokenSource {
  return {
    async get() {
      let text: string;
      try {
        text = await readFile(file, 'utf8');
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        throw new RelayError('CREDENTIALS_UNAVAILABLE', `the token file ${file} cannot be read: ${why}`);
      }
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
