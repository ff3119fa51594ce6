/** Owns the reading of files that hold a secret. None is kept: what was written into the file counts for the next use. */
import { readFile } from 'node:fs/promises';
import { messageOf, RelayError } from '../../errors.ts';

/**
 * @param what names the file, for the message
 * @throws RelayError CREDENTIALS_UNAVAILABLE; without a cause, as `TokenSource` wants
 */
export async function readSecret(file: string, what: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new RelayError('CREDENTIALS_UNAVAILABLE', `${what} cannot be read: ${messageOf(error)}`);
  }
}
