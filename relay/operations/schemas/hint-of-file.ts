/** What to do where an error is about a file: no event has failed on it yet, and none waits. */
import { type ErrorCode, hints, type RelayError } from '../../errors.ts';

const ofFiles: Partial<Record<ErrorCode, string>> = {
  SCHEMA_INVALID:
    'Correct the schema that the message names: the file, or what the registry has under the subject or refers to.',
  REGISTRY_ANSWER_INVALID:
    'Look at the subject in the registry, which has something there that cannot be used. Then run the command again.',
};

/** An error that knows better than its code keeps its own hint. */
export const hintOfFile = ({ code, hint }: Pick<RelayError, 'code' | 'hint'>): string =>
  hint === hints[code] ? (ofFiles[code] ?? hint) : hint;

/** For errors of which only the code is known. */
export const hintOfFileByCode = (code: ErrorCode): string => hintOfFile({ code, hint: hints[code] });
