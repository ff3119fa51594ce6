import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { type ErrorCode, RelayError, RequestInvalid } from '../../../relay/errors.ts';
import type { OwnRecovery } from '../../../relay/ledger/own-recoveries.ts';
import type { Facts } from '../../../relay/observe/facts.ts';
import type { RecoverOptions } from '../../../relay/recover/options.ts';
import type { Recovery } from '../../../relay/recover/report.ts';
import { type Recover, RecoveryPace, UnattendedRecovery } from '../../../relay/recover/unattended.ts';
import { configOf } from '../settings.ts';

const lost = new RelayError('SLOT_INVALIDATED', 'slot x is lost', { context: { reason: 'wal_removed' } });
const never = new AbortController().signal;

function recovery(recover: (options: RecoverOptions) => Promise<Partial<Recovery>>, whenLost = 'recover') {
  const ends: Facts['recoveryEnded'][] = [];
  const records: OwnRecovery[] = [];
  const config = configOf({ SLOT_WHEN_LOST: whenLost });
  const unattended = new UnattendedRecovery({
    config,
    log: pino({ level: 'silent' }),
    observer: { recoveryEnded: (end) => ends.push(end) },
    recover: recover as Recover,
    record: async (recovery) => {
      records.push(recovery);
    },
  });
  return { unattended, ends, records };
}

const caught = (work: Promise<unknown>): Promise<RelayError> =>
  work.then(
    () => {
      throw new Error('did not fail');
    },
    (error) => error,
  );

describe('a relay recovers by itself', () => {
  const codes: [ErrorCode, boolean][] = [
    ['SLOT_INVALIDATED', true],
    ['SLOT_MISSING', true],
    ['LINEAGE_SLOT_AHEAD', true],
    ['RECOVERY_UNFINISHED', true],
    ['LINEAGE_PROGRESS_LOST', false],
    ['PUBLICATION_GAP', false],
    ['LINEAGE_REWOUND', false],
    ['LINEAGE_OTHER_DATABASE', false],
    ['SLOT_WRONG_KIND', false],
  ];
  test.each(codes)('from %s: %s', (code, expected) => {
    const { unattended } = recovery(async () => ({}));
    expect(unattended.mayRecoverFrom(new RelayError(code, ''))).toBe(expected);
    const { unattended: stopping } = recovery(async () => ({}), 'stop');
    expect(stopping.mayRecoverFrom(new RelayError(code, ''))).toBe(false);
  });

  test('with no option of recover that a person would have to give', async () => {
    let given: RecoverOptions | undefined;
    const { unattended, ends, records } = recovery(async (options) => {
      given = options;
      return { outcome: 'recovered', published: 7, deadLettered: 1, uncertainKeys: 2 };
    });
    await unattended.run(lost, never);
    expect(records).toMatchObject([
      { outcome: 'recovered', code: 'SLOT_INVALIDATED', published: 7, deadLettered: 1, uncertainKeys: 2 },
    ]);
    expect(given).toMatchObject({
      isUnattended: true,
      isDryRun: false,
      isForced: false,
      acceptsRewound: false,
      acceptsWritingOrder: false,
      skipsUnreadable: false,
      unjudged: 'refuse',
    });
    expect(ends).toMatchObject([{ outcome: 'recovered', published: 7, deadLettered: 1 }]);
  });

  test('and stops with the error of the lost slot where a person has to decide', async () => {
    const doubts = ['one: --by-writing-order does it', 'two: --unjudged publish or --unjudged skip'];
    const { unattended, ends, records } = recovery(async () => ({ outcome: 'refused', doubts }));
    const failure = await caught(unattended.run(lost, never));
    expect(failure).toMatchObject({ code: 'SLOT_INVALIDATED', context: { reason: 'wal_removed' } });
    expect(failure.message).toMatch(/^slot x is lost\..*: one: .*; two: .*skip$/);
    // That of the code names `recover` alone, which would refuse too.
    expect(failure.hint).toContain('`outbox-relay recover --by-writing-order --unjudged publish|skip`');
    expect(records).toMatchObject([{ outcome: 'refused', code: 'SLOT_INVALIDATED', published: 0 }]);
    expect(ends).toMatchObject([{ outcome: 'refused' }]);
  });

  test.each([new RequestInvalid('nothing is lost'), new RelayError('SLOT_IN_USE', 'held')])(
    'but returns to standby if another relay was quicker: %s',
    async (error) => {
      const { unattended, ends } = recovery(() => Promise.reject(error));
      expect(await caught(unattended.run(lost, never))).toMatchObject({
        code: 'SLOT_IN_USE',
        class: 'retry',
      });
      expect(ends).toMatchObject([{ outcome: 'yielded' }]);
    },
  );

  test('until it is asked to end, whatever the recovery makes of that', async () => {
    const ending = new AbortController();
    const { unattended, ends } = recovery(async ({ signal }) => {
      ending.abort();
      signal?.throwIfAborted();
      return {};
    });
    await unattended.run(lost, ending.signal);
    expect(ends).toMatchObject([{ outcome: 'interrupted' }]);
  });
});

describe('the pause before a recovery', () => {
  const backoff = (failures: number) => 100 * 2 ** failures;

  test('is none the first time in an hour', () => {
    const pace = new RecoveryPace();
    expect(pace.next(0, backoff)).toEqual({ attempt: 1, pauseMs: 0 });
    pace.ended(60_000, 60_000);
    expect(pace.next(60_000 + 3_600_000, backoff)).toEqual({ attempt: 1, pauseMs: 0 });
  });

  test('is as long as the last one took, so that Kafka is read half of the time at most', () => {
    const pace = new RecoveryPace();
    pace.ended(60_000, 60_000);
    expect(pace.next(61_000, backoff)).toEqual({ attempt: 2, pauseMs: 59_000 });
  });

  test('grows with each quick failure', () => {
    const pace = new RecoveryPace();
    for (let attempt = 1; attempt <= 3; attempt++) pace.ended(attempt, 1);
    expect(pace.next(10, backoff)).toEqual({ attempt: 4, pauseMs: 400 });
  });
});
