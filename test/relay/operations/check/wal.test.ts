import { describe, expect, test } from 'vitest';
import { judgeOrder, judgeWal } from '../../../../relay/operations/check/wal.ts';
import { proposedLimitGib, timeLeft, type WalOutlook } from '../../../../relay/operations/slot-health.ts';

const MiB = 1024 ** 2;
const GiB = 1024 ** 3;

const outlook = (known: Partial<WalOutlook> = {}): WalOutlook => ({
  last5Min: undefined,
  lastHour: undefined,
  busiestHour: undefined,
  sinceCheckpoint: undefined,
  limitBytes: null,
  maxWalBytes: GiB,
  directoryBytes: undefined,
  diskBytes: undefined,
  keepsCommitTimes: true,
  ...known,
});

const perHour = (bytes: number) => bytes / 3_600;
const stop = { whenLost: 'stop', recoverByWritingOrder: false } as const;
const recover = { ...stop, whenLost: 'recover' } as const;

describe('without a limit', () => {
  test('the disk can fill, and the value that is proposed holds a day at the busiest hour', () => {
    const verdict = judgeWal(outlook({ busiestHour: perHour(2 * GiB), last5Min: 1, lastHour: 1 }), stop);
    expect(verdict.status).toBe('warn');
    expect(verdict.message).toContain(
      'the whole server, not the outbox alone, writes up to 2.0 GiB of WAL an hour, measured by relays in the busiest hour of the last day',
    );
    expect(verdict.message).toContain('set slot.walDiskBytes');
    expect(verdict.fix).toContain("ALTER SYSTEM SET max_slot_wal_keep_size = '48GB', 24 h at that rate");
    expect(verdict.fix).toContain('slot.whenLost: recover');
  });

  test('it says when the disk is full, where that can be known', () => {
    const disk = { diskBytes: 100 * GiB, busiestHour: perHour(10 * GiB) };
    expect(judgeWal(outlook(disk), stop).message).toContain('grant it pg_monitor');
    expect(judgeWal(outlook({ ...disk, directoryBytes: 20 * GiB }), stop).message).toContain(
      'every write fails in 8 h;',
    );
  });

  test('no number is proposed while no rate is known', () => {
    const verdict = judgeWal(outlook(), stop);
    expect(verdict.message).toContain('the rate of WAL is not known yet');
    expect(verdict.fix).toContain('check again for a value');
    expect(verdict.fix).not.toContain('ALTER SYSTEM');
  });
});

describe('with a limit', () => {
  const limited = { limitBytes: 4 * GiB, sinceCheckpoint: perHour(2 * GiB) };

  test('of hours, the relay that stops is warned of', () => {
    const verdict = judgeWal(outlook(limited), stop);
    expect(verdict).toMatchObject({ status: 'warn', fix: expect.stringContaining("'48GB'") });
    expect(verdict.message).toContain('holds an outage of 2 h');
    expect(verdict.message).toContain('2.0 GiB of WAL an hour, measured since the last checkpoint began');
    const aged = judgeWal(outlook({ ...limited, checkpointAgeSeconds: 180 }), stop);
    // 2 GiB an hour, for 3 minutes.
    expect(aged.message).toContain(
      '2.0 GiB of WAL an hour: 102.4 MiB in the 3 min since its last checkpoint began',
    );
    expect(judgeWal(outlook({ ...limited, limitBytes: 10 * GiB }), stop).status).toBe('ok');
  });

  test('a relay that recovers by itself is not warned of', () => {
    expect(judgeWal(outlook(limited), recover).status).toBe('ok');
  });
});

test.each([stop, recover])(
  'who recovers ($whenLost) needs the times of commits, or leave to go without',
  (chosen) => {
    expect(judgeOrder(true, chosen).status).toBe('ok');
    expect(judgeOrder(false, chosen)).toMatchObject({
      status: 'warn',
      message: expect.stringContaining('track_commit_timestamp is off'),
    });
    expect(judgeOrder(false, { ...chosen, recoverByWritingOrder: true }).status).toBe('ok');
  },
);

test('the proposal is not below what Postgres keeps anyway, nor above a share of the disk', () => {
  expect(proposedLimitGib(outlook({ lastHour: 1, maxWalBytes: 3 * GiB }))).toBe(6);
  expect(proposedLimitGib(outlook({ lastHour: perHour(10 * GiB), diskBytes: 100 * GiB }))).toBe(70);
  expect(proposedLimitGib(outlook({ lastHour: 0, maxWalBytes: 64 * MiB }))).toBe(1);
  expect(proposedLimitGib(outlook({ diskBytes: 100 * GiB }))).toBe(70);
});

test('the time left goes by the present rate, or the one since the checkpoint', () => {
  const known = outlook({ sinceCheckpoint: 5, diskBytes: 1_000, directoryBytes: 500 });
  expect(timeLeft(known, 1_000)).toEqual({ untilLimit: 200, untilDisk: 100 });
  expect(timeLeft({ ...known, last5Min: 10 }, null)).toEqual({ untilLimit: Infinity, untilDisk: 50 });
  expect(timeLeft(outlook(), 1_000)).toEqual({ untilLimit: undefined, untilDisk: undefined });
});
