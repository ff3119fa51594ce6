import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { LatePassword } from '../../../../relay/connect/postgres/late-password.ts';
import { RelayError } from '../../../../relay/errors.ts';

function refusal(code: string): Error {
  return Object.assign(new pg.DatabaseError('password authentication failed', 1, 'error'), {
    code,
    severity: 'FATAL',
  });
}

function scene() {
  let now = 0;
  const late = new LatePassword(300_000, () => now);
  const outcome = (code = '28P01') => {
    const judged = late.judge(refusal(code));
    return judged instanceof RelayError ? judged.code : 'as it is';
  };
  return { late, outcome, pass: (ms: number) => (now += ms) };
}

const target = { host: 'db', port: 1, user: 'u', database: 'd' };
const source = () => Promise.resolve('sesame');

describe('a refused password', () => {
  test('of a source that was accepted before is asked for again, for the stated time', async () => {
    const { late, outcome, pass } = scene();
    await late.watch(source)(target);
    late.accepted();
    expect([outcome(), pass(299_999), outcome('28000'), pass(1), outcome()]).toEqual([
      'CREDENTIALS_UNAVAILABLE',
      299_999,
      'CREDENTIALS_UNAVAILABLE',
      300_000,
      'as it is',
    ]);
    late.accepted();
    expect(outcome()).toBe('CREDENTIALS_UNAVAILABLE');
  });

  test('says how long that goes on, and nothing of the password', async () => {
    const { late } = scene();
    await late.watch(source)(target);
    late.accepted();
    const { message } = late.judge(refusal('28P01')) as RelayError;
    expect(message).toContain('asks again for 300 s (database.passwordGraceMs), and then stops');
    expect(message).not.toContain('sesame');
  });

  test('stays what it is where none was accepted before, nobody asked a source, or the refusal is another', async () => {
    const never = scene();
    await never.late.watch(source)(target);
    const unasked = scene();
    unasked.late.accepted();
    const other = scene();
    await other.late.watch(source)(target);
    other.late.accepted();
    expect([never.outcome(), unasked.outcome(), other.outcome('3D000')]).toEqual(Array(3).fill('as it is'));
  });
});
