/** What the two threads of an embedded relay say to each other. All of it is plain data. */
import type { Config } from '../config/config.ts';
import type { ErrorCode, ErrorContext, RelayError } from '../errors.ts';
import type { SerializedError } from '../observe/log.ts';
import type { RelayState } from '../observe/state.ts';

export type ThreadWork = { readonly config: Config; readonly servesHttp: boolean };

/** From the thread. It ends after `ended` or `failed`. */
export type ThreadMessage =
  | { readonly kind: 'entered'; readonly state: RelayState; readonly before: RelayState | undefined }
  | { readonly kind: 'retried'; readonly failure: PlainFailure; readonly retryInMs: number }
  | { readonly kind: 'logged'; readonly line: string }
  /** `isDrained`: nothing that was begun is left for the next start. */
  | { readonly kind: 'ended'; readonly isDrained: boolean }
  | { readonly kind: 'failed'; readonly failure: PlainFailure };

/** To the thread. */
export const drain = 'drain';

/** A `RelayError`, which would lose its code between threads. Of its cause it has what may be logged. */
export type PlainFailure = {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
  readonly context: ErrorContext;
  readonly cause?: SerializedError;
};

export function plain(
  { code, message, hint, context, cause }: RelayError,
  serialize: (error: unknown) => unknown,
): PlainFailure {
  return {
    code,
    message,
    hint,
    context,
    ...(cause instanceof Error ? { cause: serialize(cause) as SerializedError } : {}),
  };
}
