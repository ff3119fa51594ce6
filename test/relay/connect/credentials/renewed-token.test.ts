import { describe, expect, test } from 'vitest';
import { RenewedToken } from '../../../../relay/connect/credentials/renewed-token.ts';
import type { Token } from '../../../../relay/connect/credentials/token.ts';
import { RelayError } from '../../../../relay/errors.ts';

const away = () => new RelayError('CREDENTIALS_UNAVAILABLE', 'away');

/** A token endpoint and a clock that the test moves. Tokens live for 100 s. */
function scene() {
  const clock = { nowMs: 0 };
  const answers: (() => Promise<Token>)[] = [];
  const late: number[] = [];
  let asked = 0;
  const obtain = () => {
    asked += 1;
    const next = answers.shift();
    return next?.() ?? Promise.resolve({ value: `t${asked}`, expiresAtMs: clock.nowMs + 100_000 });
  };
  const source = new RenewedToken(obtain, {
    now: () => clock.nowMs,
    wait: async (ms) => {
      clock.nowMs += ms;
    },
    random: () => 1,
    onLate: (_, countsUntilMs) => late.push(countsUntilMs),
  });
  return {
    clock,
    answers,
    late,
    source,
    get asked() {
      return asked;
    },
    value: async () => (await source.get()).value,
  };
}

const code = (work: Promise<unknown>) =>
  work.then(
    () => 'fine',
    (error: RelayError) => error.code,
  );

describe('a token that is renewed', () => {
  test('is asked for once by many at the same time, and then kept', async () => {
    const at = scene();
    expect(await Promise.all([at.value(), at.value(), at.value()])).toEqual(['t1', 't1', 't1']);
    at.clock.nowMs = 79_999;
    expect(await at.value()).toBe('t1');
    expect(at.asked).toBe(1);
  });

  test('is renewed after four fifths of its life', async () => {
    const at = scene();
    await at.value();
    at.clock.nowMs = 80_000;
    expect(await at.value()).toBe('t2');
  });

  test('has two seconds left when it is handed out, or is as new as it can be', async () => {
    const at = scene();
    for (const lifeMs of [5_000, 1_000])
      at.answers.push(() =>
        Promise.resolve({ value: `for ${lifeMs}`, expiresAtMs: at.clock.nowMs + lifeMs }),
      );
    await at.value();
    at.clock.nowMs = 2_999;
    expect(await at.value()).toBe('for 5000');
    at.clock.nowMs = 3_000;
    expect(await at.value()).toBe('for 1000');
    expect(await at.value()).toBe('t3');
  });

  test('that cannot be renewed is used to its end, is reported once, and is asked for with growing pauses', async () => {
    const at = scene();
    await at.value();
    at.clock.nowMs = 80_000;
    at.answers.push(...Array.from({ length: 20 }, () => () => Promise.reject(away())));
    expect(await at.value()).toBe('t1');
    expect(at.asked).toBe(2);
    at.clock.nowMs += 199;
    expect([await at.value(), at.asked]).toEqual(['t1', 2]);
    at.clock.nowMs += 1;
    expect([await at.value(), at.asked]).toEqual(['t1', 3]);
    at.clock.nowMs += 399;
    expect([await at.value(), at.asked]).toEqual(['t1', 3]);
    at.clock.nowMs = 99_750;
    expect(await code(at.source.get())).toBe('CREDENTIALS_UNAVAILABLE');
    expect(at.late).toEqual([99_750]);
    at.answers.length = 0;
    at.clock.nowMs += 20_000;
    expect(await at.value()).toMatch(/^t\d+$/);
  });

  test('that ends while the request for the next one is under way does not count any more', async () => {
    const at = scene();
    await at.value();
    at.clock.nowMs = 99_000;
    at.answers.push(() => {
      at.clock.nowMs = 100_000;
      return Promise.reject(away());
    });
    expect(await code(at.source.get())).toBe('CREDENTIALS_UNAVAILABLE');
  });

  test('is asked for three times before the first failure is passed on', async () => {
    const at = scene();
    at.answers.push(
      () => Promise.reject(away()),
      () => Promise.reject(away()),
    );
    expect([await at.value(), at.asked]).toEqual(['t3', 3]);
  });

  test('that is refused is not asked for again at once', async () => {
    const at = scene();
    at.answers.push(() => Promise.reject(new RelayError('CREDENTIALS_REFUSED', 'invalid_client')));
    expect(await code(at.source.get())).toBe('CREDENTIALS_REFUSED');
    expect([await code(at.source.get()), at.asked]).toEqual(['CREDENTIALS_REFUSED', 1]);
  });

  test('that a server refused is replaced, unless it was replaced already', async () => {
    const at = scene();
    const first = await at.source.get();
    at.source.refused(first);
    const second = await at.source.get();
    expect(second.value).toBe('t2');
    at.source.refused(first);
    expect(await at.source.get()).toBe(second);
  });

  test('without a known end is used for a minute', async () => {
    const at = scene();
    at.answers.push(() => Promise.resolve({ value: 'opaque', expiresAtMs: undefined }));
    await at.value();
    at.clock.nowMs = 47_999;
    expect(await at.value()).toBe('opaque');
    at.clock.nowMs = 48_000;
    expect(await at.value()).toBe('t2');
  });
});
