import { expect, test } from 'vitest';
import { mayBeSampled, parseTraceparent } from '../../../relay/observe/trace-context.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const spanId = '00f067aa0ba902b7';

test('a context is read as W3C lays it out', () => {
  expect(parseTraceparent(`00-${traceId}-${spanId}-01`)).toEqual({ traceId, spanId, flags: 1 });
  expect(parseTraceparent(`00-${traceId}-${spanId}-00`)).toEqual({ traceId, spanId, flags: 0 });
  // A later version, which may append fields.
  expect(parseTraceparent(`cc-${traceId}-${spanId}-03-more`)).toEqual({ traceId, spanId, flags: 3 });
});

test.each([
  '',
  'nonsense',
  `ff-${traceId}-${spanId}-01`,
  `00-${traceId}-${spanId}-01-more`,
  `00-${traceId.toUpperCase()}-${spanId}-01`,
  `00-${'0'.repeat(32)}-${spanId}-01`,
  `00-${traceId}-${'0'.repeat(16)}-01`,
  `00-${traceId}-${spanId}`,
  `00-${traceId}-${spanId}-1`,
  ` 00-${traceId}-${spanId}-01`,
  `00-${traceId}-${spanId}-01\n`,
])('%j is no context', (text) => {
  expect(parseTraceparent(text)).toBeUndefined();
});

test('a text that is too short is not sampled', () => {
  expect(mayBeSampled('')).toBe(false);
  expect(mayBeSampled(`00-${traceId}-${spanId}-0`)).toBe(false);
});

test('no context that is sampled is overlooked, and every other valid one is', () => {
  for (let flags = 0; flags < 256; flags++) {
    const text = `00-${traceId}-${spanId}-${flags.toString(16).padStart(2, '0')}`;
    expect(mayBeSampled(text), text).toBe((flags & 1) === 1);
  }
});
