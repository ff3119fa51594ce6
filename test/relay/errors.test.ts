import { describe, expect, test } from 'vitest';
import { documentedCommands } from '../../relay/commands/program.ts';
import {
  asRelayError,
  type ErrorCode,
  errorTable,
  exitCodeOf,
  exitCodes,
  RelayError,
} from '../../relay/errors.ts';

/** Commands that hints already speak of and that are still to come. */
const announced: string[] = [];

const codes = Object.keys(errorTable) as ErrorCode[];

describe.each(codes)('%s', (code) => {
  const error = new RelayError(code, 'what happened', { cause: new Error('below') });

  test('takes class and hint from the table and keeps its cause', () => {
    expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/);
    expect(['retry', 'quarantine', 'stop']).toContain(error.class);
    expect(error.hint).toBe(errorTable[code].hint);
    expect(error.hint).toMatch(/^[A-Z].*\.$/s);
    expect(error.cause).toMatchObject({ message: 'below' });
  });

  test('ends the process with a code that is not success and not a finding', () => {
    const { ok, findings, ...failures } = exitCodes;
    expect([ok, findings]).not.toContain(exitCodeOf(error));
    expect(Object.values(failures)).toContain(exitCodeOf(error));
  });

  test('names only commands that exist in its hint', () => {
    for (const [, command] of error.hint.matchAll(/`outbox-relay (\w+)/g))
      expect([...documentedCommands(), ...announced]).toContain(command);
  });
});

test('an outage ends a one-shot command with 69, a refusal to go on with 78', () => {
  expect(exitCodeOf(new RelayError('KAFKA_UNAVAILABLE', ''))).toBe(69);
  expect(exitCodeOf(new RelayError('LINEAGE_REWOUND', ''))).toBe(78);
  expect(exitCodeOf(new RelayError('POSTGRES_UNAUTHORIZED', ''))).toBe(77);
  expect(exitCodeOf(new RelayError('CONFIG_INVALID', ''))).toBe(64);
});

test('an unexpected error becomes INTERNAL, which stops, and keeps what it was', () => {
  const cause = new TypeError('x is undefined');
  expect(asRelayError(cause)).toMatchObject({ code: 'INTERNAL', class: 'stop', cause });
  expect(asRelayError('text')).toMatchObject({ code: 'INTERNAL', message: 'text' });
});

test('a relay error stays itself', () => {
  const error = new RelayError('SLOT_IN_USE', 'taken');
  expect(asRelayError(error)).toBe(error);
});

test('exit codes are all different', () => {
  const values = Object.values(exitCodes);
  expect(new Set(values).size).toBe(values.length);
});
