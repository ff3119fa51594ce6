/** Owns the last word of a service: the error that ends it is one line of its log. Nothing else repeats it. */
import type { Logger } from 'pino';
import type { RelayError } from '../errors.ts';

const logged = new WeakSet<RelayError>();

/** Once for an error, wherever it passes. @param who ended with it, as `the relay` */
export function logFatal(log: Logger, failure: RelayError, who = 'the relay'): void {
  if (logged.has(failure)) return;
  logged.add(failure);
  log.fatal({ err: failure }, `${who} stopped itself; the hint says what to do`);
}

/** Whether a line of a log says it. */
export const isLogged = (failure: RelayError): boolean => logged.has(failure);
