import { describe, expect, test } from 'vitest';
import { RelayError } from '../../../relay/errors.ts';
import type { Progress } from '../../../relay/model/progress.ts';
import { checkLineage, type DatabaseState } from '../../../relay/session/lineage.ts';

const writer = { instance: 'me', time: '2026-01-02T03:04:05.678Z', timeline: 3 };
const progress = (more: Partial<Progress> = {}): Progress => ({
  slot: 'outbox_relay',
  systemIdentifier: '7000000000000000001',
  endLsn: 1_000n,
  partial: null,
  beat: 5,
  eventCount: 10,
  ...writer,
  ...more,
});

function codeOf(work: () => unknown): string | undefined {
  try {
    work();
  } catch (error) {
    return error instanceof RelayError ? error.code : String(error);
  }
  return undefined;
}

describe('lineage', () => {
  const database = (more: Partial<DatabaseState> = {}): DatabaseState => ({
    systemIdentifier: '7000000000000000001',
    timeline: 3,
    history: [
      { timeline: 1, switchLsn: 300n },
      { timeline: 2, switchLsn: 900n },
    ],
    walLsn: 5_000n,
    slotConfirmedLsn: 1_000n,
    initialised: true,
    beat: 5,
    ...more,
  });
  const promoted = (switchLsn: bigint) => ({ timeline: 4, history: [{ timeline: 3, switchLsn }] });
  const partial = { commitLsn: 1_200n, ordinal: 40 };

  const cases: [string, Progress | null, DatabaseState, string][] = [
    [
      'no progress and no mark: nothing was ever published',
      null,
      database({ initialised: false, beat: 0 }),
      'first-start',
    ],
    [
      'no progress and a heartbeat, but no mark: it was removed',
      null,
      database({ initialised: false, beat: 1 }),
      'LINEAGE_PROGRESS_LOST',
    ],
    ['no progress, but the mark', null, database(), 'LINEAGE_PROGRESS_LOST'],
    ['the same database', progress(), database(), 'resume'],
    [
      'a progress without a mark: it was lost before it was set',
      progress(),
      database({ initialised: false }),
      'resume',
    ],
    [
      'another cluster',
      progress(),
      database({ systemIdentifier: '7000000000000000002' }),
      'LINEAGE_OTHER_DATABASE',
    ],
    ['WAL that ends right where the progress does', progress(), database({ walLsn: 1_000n }), 'resume'],
    ['WAL that ends before the progress', progress(), database({ walLsn: 999n }), 'LINEAGE_REWOUND'],
    ['a standby promoted after the progress', progress(), database(promoted(1_001n)), 'resume'],
    ['a standby promoted right at the progress', progress(), database(promoted(1_000n)), 'resume'],
    ['a standby promoted before the progress', progress(), database(promoted(999n)), 'LINEAGE_REWOUND'],
    [
      'a standby promoted before the progress, whose WAL has grown past it since',
      progress(),
      database({ ...promoted(999n), walLsn: 90_000n }),
      'LINEAGE_REWOUND',
    ],
    [
      'two promotions since',
      progress({ timeline: 2, endLsn: 900n }),
      database({ slotConfirmedLsn: 1n }),
      'resume',
    ],
    [
      'two promotions since, the first before the progress',
      progress({ timeline: 1 }),
      database(),
      'LINEAGE_REWOUND',
    ],
    ['a timeline the database was never on', progress({ timeline: 9 }), database(), 'LINEAGE_REWOUND'],
    [
      'a database on an older timeline',
      progress(),
      database({ timeline: 2, history: [] }),
      'LINEAGE_REWOUND',
    ],
    ['fewer heartbeats than were published', progress(), database({ beat: 4 }), 'LINEAGE_REWOUND'],
    ['more heartbeats than were published', progress(), database({ beat: 6 }), 'resume'],
    ['a slot that lags', progress(), database({ slotConfirmedLsn: 10n }), 'resume'],
    ['a slot beyond the progress', progress(), database({ slotConfirmedLsn: 1_001n }), 'LINEAGE_SLOT_AHEAD'],
    ['a partial transaction in the WAL', progress({ partial }), database({ walLsn: 1_300n }), 'resume'],
    [
      'WAL that ends before the partial',
      progress({ partial }),
      database({ walLsn: 1_100n }),
      'LINEAGE_REWOUND',
    ],
    [
      'a promotion before the partial one',
      progress({ partial }),
      database(promoted(1_100n)),
      'LINEAGE_REWOUND',
    ],
    [
      'a promotion right before the commit record of the partial one, which is thereby gone',
      progress({ partial }),
      database(promoted(1_200n)),
      'LINEAGE_REWOUND',
    ],
  ];
  test.each(cases)('%s', (_, found, state, verdict) => {
    let result: string | undefined;
    const code = codeOf(() => {
      result = checkLineage(found, state);
    });
    expect(code ?? result).toBe(verdict);
  });
});
