/**
 * Owns what of an error is shown outside the log: by /readyz, and in `outbox.relay` to everybody who may ask for `status`.
 * Promise: no payload and no secret, and always text that Postgres can store.
 */
import { messageOf, type RelayError } from '../errors.ts';
import { printable } from './printable.ts';

/**
 * The message, without the words of a driver or of Node where nobody foresaw the error: those may quote a value. The log has
 * them.
 */
export function shownMessage({ code, message, cause }: RelayError): string {
  if (code !== 'INTERNAL' || !(cause instanceof Error)) return message;
  const ofDatabase = 'code' in cause ? ` ${String(cause.code)}` : '';
  return message.replaceAll(
    messageOf(cause),
    () => `${cause.name}${ofDatabase}; the log of the relay has the details`,
  );
}

/** At most so many bytes of UTF-8, and nothing that jsonb refuses: half a character, or U+0000. */
export function storable(text: string, bytesMax: number): string {
  const bytes = Buffer.from(printable(text));
  if (bytes.length <= bytesMax) return bytes.toString();
  const room = bytesMax - Buffer.byteLength('…');
  // As a stream, the decoder leaves out a character that is cut.
  return `${new TextDecoder().decode(bytes.subarray(0, room), { stream: true })}…`;
}
