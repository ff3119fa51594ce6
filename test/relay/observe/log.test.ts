import { expect, test } from 'vitest';
import { RelayError } from '../../../relay/errors.ts';
import { createLogger } from '../../../relay/observe/log.ts';

function logged(write: (log: ReturnType<typeof createLogger>) => void, tty: boolean): string {
  const lines: string[] = [];
  write(createLogger('info', { tty, destination: { write: (line) => void lines.push(line) } }));
  return lines.join('');
}

function loggedError(error: unknown): Record<string, unknown> {
  return JSON.parse(logged((log) => log.error({ err: error }, 'it failed'), false)).err;
}

test('without a terminal a line is one JSON object with level, time and message', () => {
  const text = logged((log) => log.info({ state: 'streaming' }, 'state'), false);
  expect(text.trimEnd()).not.toContain('\n');
  expect(JSON.parse(text)).toMatchObject({ level: 'info', state: 'streaming', msg: 'state' });
  expect(Date.parse(JSON.parse(text).time)).toBeGreaterThan(0);
});

test('at a terminal a line is for a person', () => {
  const text = logged((log) => log.warn('slow'), true);
  expect(text).toMatch(/WARN.*slow/);
  expect(text).not.toContain('{"');
});

test('lines below the level are not written', () => {
  expect(logged((log) => log.debug('detail'), false)).toBe('');
});

test('an error shows code, class, hint, message, context and the chain of its causes', () => {
  const socket = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
  const cause = new AggregateError([socket], 'all addresses failed');
  expect(
    loggedError(new RelayError('POSTGRES_UNAVAILABLE', 'connecting', { cause, context: { attempt: 3 } })),
  ).toEqual({
    name: 'RelayError',
    code: 'POSTGRES_UNAVAILABLE',
    class: 'retry',
    hint: expect.stringContaining('DATABASE_URL'),
    message: 'connecting',
    context: { attempt: 3 },
    cause: {
      name: 'AggregateError',
      message: 'all addresses failed',
      cause: { name: 'Error', code: 'ECONNREFUSED', message: 'connect ECONNREFUSED' },
    },
  });
});

test("a driver's properties, which may hold rows, are not logged", () => {
  const cause = Object.assign(new Error('duplicate key'), { code: '23505', detail: 'Key (name)=(Ada)' });
  expect(JSON.stringify(loggedError(new RelayError('INTERNAL', 'upserting', { cause })))).not.toContain(
    'Ada',
  );
});

test('the message of a cause is left out where the event itself is at fault, since it quotes values', () => {
  const cause = new Error('invalid "long": "4111 1111 1111 1111"');
  const error = loggedError(new RelayError('PAYLOAD_INVALID', 'does not fit at total', { cause }));
  expect(error.message).toBe('does not fit at total');
  expect(error.cause).toEqual({ name: 'Error' });
});

test('an error that causes itself is logged and ends', () => {
  const error = new RelayError('INTERNAL', 'round');
  error.cause = error;
  expect(loggedError(error)).toMatchObject({ code: 'INTERNAL', cause: { code: 'INTERNAL' } });
});

test('a stack is shown for a defect and for nothing else', () => {
  expect(loggedError(new TypeError('x is undefined'))).toHaveProperty('stack');
  expect(loggedError(new RelayError('KAFKA_UNAVAILABLE', 'no broker'))).not.toHaveProperty('stack');
});
