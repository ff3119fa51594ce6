import { RelayError } from '../../relay/errors.ts';

/** The code of the error that `work` throws; its text if it is none of the relay's; undefined if it throws none. */
export function codeOf(work: () => unknown): string | undefined {
  try {
    work();
  } catch (error) {
    return error instanceof RelayError ? error.code : String(error);
  }
  return undefined;
}

/** What makes the work fail. @throws if it does not fail */
export const failureOf = (work: Promise<unknown>): Promise<RelayError> =>
  work.then(
    () => Promise.reject(new Error('it did not fail')),
    (error) => error,
  );
