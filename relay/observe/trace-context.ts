/**
 * Reads the trace context that a writer put into the headers of its row. The relay passes both headers on as they are,
 * valid or not: what cannot be read here is no reason to refuse an event, and has no span.
 * @see https://www.w3.org/TR/trace-context/
 */

/** The headers, which the record has too. */
export const traceparentHeader = 'traceparent';
export const tracestateHeader = 'tracestate';

export type TraceContext = { readonly traceId: string; readonly spanId: string; readonly flags: number };

/** Later versions of the format may append fields. */
const layout = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const zeros = /^0+$/;

export function parseTraceparent(text: string): TraceContext | undefined {
  const [, version, traceId, spanId, flags, rest] = layout.exec(text) ?? [];
  if (version === undefined || traceId === undefined || spanId === undefined || flags === undefined)
    return undefined;
  if (version === 'ff' || (version === '00' && rest !== undefined)) return undefined;
  if (zeros.test(traceId) || zeros.test(spanId)) return undefined;
  return { traceId, spanId, flags: Number.parseInt(flags, 16) };
}

/** Place of the last digit of the flags, whose lowest bit says that the writer's trace is sampled. */
const sampledDigit = 54;

/** Whether a context may be sampled. Costs nothing to speak of, since every event is asked; it does not validate. */
export function mayBeSampled(traceparent: string): boolean {
  if (traceparent.length <= sampledDigit) return false;
  const digit = traceparent.charCodeAt(sampledDigit);
  // The codes of 0 to 9 are even and odd as the digits are; those of a to f are the other way round.
  return digit <= 0x39 ? (digit & 1) === 1 : (digit & 1) === 0;
}
