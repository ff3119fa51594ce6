/** The way to a session, with results fed in place of servers. */
import { describe, expect, test } from 'vitest';
import { type ErrorCode, RelayError } from '../../../relay/errors.ts';
import type { Progress } from '../../../relay/model/progress.ts';
import type { Publisher } from '../../../relay/publish/publisher.ts';
import type { Claimed, DatabaseState } from '../../../relay/session/lineage.ts';
import { type Held, holdSession, type SessionWork, type TakenSlot } from '../../../relay/session/steps.ts';

const progress: Progress = {
  slot: 'outbox_relay',
  systemIdentifier: '7000000000000000001',
  timeline: 3,
  endLsn: 1_000n,
  partial: null,
  beat: 5,
  eventCount: 10,
  instance: 'me',
  time: '2026-01-02T03:04:05.678Z',
};
const database: DatabaseState = {
  systemIdentifier: progress.systemIdentifier,
  timeline: 3,
  history: [],
  walLsn: 5_000n,
  slotConfirmedLsn: 1_000n,
  initialised: true,
  beat: 5,
  publication: 'publication',
};

/** Servers that answer as they are told, and what was done there, in order. */
function scene(answers: Partial<SessionWork<TakenSlot>> = {}) {
  const done: string[] = [];
  const inbox: { failure: RelayError | undefined } = { failure: undefined };
  const slot = { capture: { inbox, close: async () => void done.push('slot closed') } };
  const publisher = { close: async () => void done.push('publisher closed') } as Publisher;
  const claimed: Claimed = { kind: 'progress', progress };
  const does = <Arguments extends unknown[], Result>(
    what: string,
    answer: (...given: Arguments) => Promise<Result>,
  ): ((...given: Arguments) => Promise<Result>) => {
    return (...given) => {
      done.push(what);
      return answer(...given);
    };
  };
  const work: SessionWork<TakenSlot> = {
    onStep: ({ step }) => done.push(`${step}:`),
    takeSlot: does('take', answers.takeSlot ?? (async () => slot)),
    fence: does('fence', answers.fence ?? (async () => publisher)),
    claim: does('claim', answers.claim ?? (async () => claimed)),
    readDatabase: does('read', answers.readDatabase ?? (async () => database)),
  };
  const hold = <Result>(use: (held: Held<TakenSlot>) => Promise<Result>) => holdSession(work, use);
  return { done, inbox, slot, publisher, hold };
}

const fails = (code: ErrorCode) => async () => Promise.reject(new RelayError(code, code));
const way = ['standby:', 'take', 'fencing:', 'fence', 'claiming:', 'claim', 'lineage:', 'read'];

describe('the way to a session', () => {
  test('is to take the slot, fence, claim and compare, in this order, and then to hold it', async () => {
    const { done, slot, publisher, hold } = scene();
    const held = await hold(async (session) => {
      done.push('held');
      return session;
    });
    expect(done).toEqual([...way, 'held', 'publisher closed', 'slot closed']);
    expect(held).toMatchObject({ slot, publisher, database, lineage: { kind: 'same', progress } });
  });

  test('gives each step what the steps before it have brought', async () => {
    const given: unknown[] = [];
    const { slot, publisher, hold } = scene({
      claim: async (by) => {
        given.push(by);
        return { kind: 'none' };
      },
      readDatabase: async (of) => {
        given.push(of);
        return database;
      },
    });
    expect(await hold(async ({ lineage }) => lineage.kind)).toBe('progress-lost');
    expect(given).toEqual([publisher, slot]);
  });

  test('compares what the claim found with the database as it is after the claim', async () => {
    const { hold } = scene({ readDatabase: async () => ({ ...database, slotConfirmedLsn: 1_001n }) });
    expect(await hold(async ({ lineage }) => lineage.kind)).toBe('slot-ahead');
  });

  test('ends at standby if the relay is asked to end while it waits', async () => {
    const { done, hold } = scene({ takeSlot: async () => undefined });
    expect(await hold(async () => 'held')).toBeUndefined();
    expect(done).toEqual(['standby:', 'take']);
  });
});

describe('a failure ends the way there, and gives up what was held:', () => {
  const nothing: string[] = [];
  test.each([
    ['taking the slot', { takeSlot: fails('POSTGRES_UNAVAILABLE') }, 2, nothing],
    ['fencing', { fence: fails('KAFKA_UNAVAILABLE') }, 4, ['slot closed']],
    ['claiming', { claim: fails('PUBLISH_UNCERTAIN') }, 6, ['publisher closed', 'slot closed']],
    ['reading', { readDatabase: fails('SLOT_MISSING') }, 8, ['publisher closed', 'slot closed']],
  ])('%s', async (_, answers, steps, closed) => {
    const { done, hold } = scene(answers);
    await expect(hold(async () => done.push('held'))).rejects.toBeInstanceOf(RelayError);
    expect(done).toEqual([...way.slice(0, steps), ...closed]);
  });

  test('what is done with the session', async () => {
    const { done, hold } = scene();
    await expect(hold(fails('EVENT_REJECTED'))).rejects.toMatchObject({ code: 'EVENT_REJECTED' });
    expect(done).toEqual([...way, 'publisher closed', 'slot closed']);
  });
});

describe('if the stream has failed and let go of the slot', () => {
  const steps = ['fence', 'claim', 'readDatabase'] as const;
  test.each(steps)('its failure is thrown, not the consequence that %s meets', async (step) => {
    for (const consequence of ['SLOT_IN_USE', 'PRODUCER_FENCED'] as const) {
      const { inbox, hold } = scene({ [step]: fails(consequence) });
      inbox.failure = new RelayError('ROW_UNREADABLE', 'a row');
      await expect(hold(async () => 'held')).rejects.toBe(inbox.failure);
    }
  });

  test.each(steps)('a failure of its own that %s meets is thrown as it is', async (step) => {
    const { inbox, hold } = scene({ [step]: fails('KAFKA_UNAVAILABLE') });
    inbox.failure = new RelayError('ROW_UNREADABLE', 'a row');
    await expect(hold(async () => 'held')).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE' });
  });
});
