/** Owns what is said where a port cannot be listened on: whose setting it is, and how to choose another. */
import { environmentName } from '../config/config.ts';
import { RelayError } from '../errors.ts';

export type Listener = {
  /** Settings of the address, such as `http.port`. */
  readonly portKey: 'http.port' | 'audit.httpPort' | 'console.port';
  readonly hostKey: 'http.host' | 'console.host';
  readonly host: string;
  readonly port: number;
};

/** @param cause of the server that did not listen */
export function listenFailure({ portKey, hostKey, host, port }: Listener, cause: unknown): RelayError {
  const { code } = cause as NodeJS.ErrnoException;
  const another = `set ${portKey} (${environmentName(portKey.split('.'))}) to another port, or to 0 for any free one`;
  const message =
    code === 'EADDRINUSE'
      ? `${portKey} is in use by another process: ${host}:${port}; ${another}`
      : code === 'EACCES'
        ? `${portKey} may not be opened by this user: ${host}:${port}; ${another}`
        : `${hostKey} cannot be listened on (${code ?? 'unknown'}): ${host}:${port}`;
  return new RelayError('CONFIG_INVALID', message, { cause });
}
