/** Loads modules from inside kafkajs. It is pinned to one exact release, because any other may have changed them. */
import { createRequire } from 'node:module';
import { RelayError } from '../errors.ts';

const kafkajs = createRequire(import.meta.url);

/** @throws RelayError INTERNAL if there is no such module */
export function internal<T>(module: string): T {
  try {
    return kafkajs(module) as T;
  } catch (cause) {
    throw missingInternal(module, cause);
  }
}

export function missingInternal(what: string, cause?: unknown): RelayError {
  return new RelayError('INTERNAL', `${what} is missing: the relay needs exactly kafkajs 2.2.4`, { cause });
}
