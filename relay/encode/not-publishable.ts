/**
 * Owns why an event cannot be published, while it is encoded: thrown where that shows, and made into its refusal by the
 * encoder. An outage is never such a reason.
 */
import type { OutboxEvent } from '../capture/event.ts';
import { type ErrorCode, RelayError } from '../errors.ts';
import type { Refusal } from './record.ts';

/** As far as it is known where the event goes. */
export type Names = { readonly topic?: string; readonly subject?: string; readonly schemaId?: number };

/** Not an Error: many of them in a storm need no stack. */
export class NotPublishable {
  readonly code: ErrorCode;
  /** Names places and types, never a value of the payload. */
  readonly message: string;
  readonly names: Names;
  /** JSON path in the payload. */
  readonly path: string | null;
  /** Set where the reason may pass. */
  readonly cause: Error | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    names: Names = {},
    { path = null, cause }: { path?: string | null; cause?: Error | undefined } = {},
  ) {
    this.code = code;
    this.message = message;
    this.names = names;
    this.path = path;
    this.cause = cause;
  }
}

export function assertLength(column: string, text: string, lengthMax: number, names: Names): void {
  if (text.length <= lengthMax) return;
  throw new NotPublishable(
    'EVENT_INVALID',
    `${column}: ${text.length} characters, at most ${lengthMax}`,
    names,
  );
}

/** @throws `error` where it is an outage, which is no reason to refuse an event */
export function reasonOf(error: unknown): NotPublishable {
  if (error instanceof NotPublishable) return error;
  if (error instanceof RelayError && error.code !== 'INTERNAL') throw error;
  const name = error instanceof Error ? error.name : typeof error;
  // Without its message, which may quote the payload.
  return new NotPublishable('ENCODING_FAILED', `an unexpected ${name} while it was encoded`);
}

/** The error behind a reason that may pass; undefined for a reason that cannot. */
export function causeOf(error: unknown): Error | undefined {
  if (error instanceof NotPublishable) return error.cause;
  if (error instanceof RelayError && error.cause instanceof Error) return error.cause;
  return error instanceof Error ? error : new Error('not an error');
}

export function toRefusal(event: OutboxEvent, { code, message, path, names }: NotPublishable): Refusal {
  const { topic = null, subject = null, schemaId = null } = names;
  return { ...event, code, message, path, topic, subject, schemaId };
}
