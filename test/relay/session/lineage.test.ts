import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { RelayError } from '../../../relay/errors.ts';
import type { Progress } from '../../../relay/model/progress.ts';
import {
  compareLineage,
  type DatabaseState,
  type Lineage,
  progressOf,
  refusalCodes,
} from '../../../relay/session/lineage.ts';
import { progress } from '../model/progresses.ts';

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
    publication: null,
    ...more,
  });
  const promoted = (switchLsn: bigint) => ({ timeline: 4, history: [{ timeline: 3, switchLsn }] });
  const partial = { commitLsn: 1_200n, ordinal: 40 };

  const cases: [string, Progress | null, DatabaseState, Lineage['kind']][] = [
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
      'progress-lost',
    ],
    ['no progress, but the mark', null, database(), 'progress-lost'],
    ['the same database', progress(), database(), 'same'],
    [
      'a progress without a mark: it was lost before it was set',
      progress(),
      database({ initialised: false }),
      'same',
    ],
    ['another cluster', progress(), database({ systemIdentifier: '7000000000000000002' }), 'other-database'],
    ['WAL that ends right where the progress does', progress(), database({ walLsn: 1_000n }), 'same'],
    ['WAL that ends before the progress', progress(), database({ walLsn: 999n }), 'rewound'],
    ['a standby promoted after the progress', progress(), database(promoted(1_001n)), 'promoted'],
    ['a standby promoted right at the progress', progress(), database(promoted(1_000n)), 'promoted'],
    ['a standby promoted before the progress', progress(), database(promoted(999n)), 'rewound'],
    [
      'a standby promoted before the progress, whose WAL has grown past it since',
      progress(),
      database({ ...promoted(999n), walLsn: 90_000n }),
      'rewound',
    ],
    [
      'two promotions since',
      progress({ timeline: 2, endLsn: 900n }),
      database({ slotConfirmedLsn: 1n }),
      'promoted',
    ],
    ['two promotions since, the first before the progress', progress({ timeline: 1 }), database(), 'rewound'],
    ['a timeline the database was never on', progress({ timeline: 9 }), database(), 'rewound'],
    ['a database on an older timeline', progress(), database({ timeline: 2, history: [] }), 'rewound'],
    ['fewer heartbeats than were published', progress(), database({ beat: 4 }), 'rewound'],
    ['more heartbeats than were published', progress(), database({ beat: 6 }), 'same'],
    ['a slot that lags', progress(), database({ slotConfirmedLsn: 10n }), 'same'],
    ['a slot beyond the progress', progress(), database({ slotConfirmedLsn: 1_001n }), 'slot-ahead'],
    [
      'a recovery that did not finish, and a slot that would bring its events again',
      progress({ endLsn: 1_000n, partial: { commitLsn: 1_207n, ordinal: 3 } }),
      database({ slotConfirmedLsn: 900n }),
      'recovery-unfinished',
    ],
    [
      'a take-over that did not finish, whose slot is ahead',
      progress({ endLsn: 1_000n, adopting: 'debezium' }),
      database({ slotConfirmedLsn: 1_100n }),
      'adoption-unfinished',
    ],
    [
      'a take-over that did not finish, without a slot',
      progress({ endLsn: 1_000n, adopting: 'debezium' }),
      database({ slotConfirmedLsn: 0n }),
      'adoption-unfinished',
    ],
    [
      'a recovery that did not finish, and a new slot behind its events',
      progress({ endLsn: 1_000n, partial: { commitLsn: 1_207n, ordinal: 3 } }),
      database({ slotConfirmedLsn: 1_208n }),
      'slot-ahead',
    ],
    ['a partial transaction in the WAL', progress({ partial }), database({ walLsn: 1_300n }), 'same'],
    ['WAL that ends before the partial', progress({ partial }), database({ walLsn: 1_100n }), 'rewound'],
    ['a promotion before the partial one', progress({ partial }), database(promoted(1_100n)), 'rewound'],
    [
      'a promotion right before the commit record of the partial one, which is thereby gone',
      progress({ partial }),
      database(promoted(1_200n)),
      'rewound',
    ],
  ];
  test.each(cases)('%s', (_, found, state, kind) => {
    const lineage = compareLineage(
      found === null ? { kind: 'none' } : { kind: 'progress', progress: found },
      state,
    );
    expect(lineage.kind).toBe(kind);
    expect(progressOf(lineage)).toBe(found);
    if ('refusal' in lineage) expect(lineage.refusal.code).toBe(refusalCodes[lineage.kind]);
  });

  test('a progress that cannot be read is refused as it is, whatever the database', () => {
    const failure = new RelayError('PROGRESS_UNREADABLE', 'version 2');
    expect(compareLineage({ kind: 'unreadable', failure }, database())).toEqual({
      kind: 'progress-unreadable',
      refusal: failure,
    });
  });
});

test('the protocol page names every verdict, and the error of every refusal', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/explanation/protocol.md'), 'utf8');
  const rows = page.slice(page.indexOf('## Lineage')).split('\n');
  const cells = (kind: string) => rows.find((row) => row.includes(`| \`${kind}\``)) ?? '';
  for (const kind of ['first-start', 'same', 'promoted']) expect(cells(kind), kind).not.toBe('');
  for (const [kind, code] of Object.entries(refusalCodes)) expect(cells(kind), kind).toContain(`\`${code}\``);
});
