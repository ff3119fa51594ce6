import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { AuditedRecord } from '../../../relay/audit/audited.ts';
import { Comparer, type Comparison } from '../../../relay/audit/compare.ts';
import type { Retention } from '../../../relay/audit/retention.ts';
import { formatPosition } from '../../../relay/model/position.ts';

const snapshotLsn = 1_000n;
const snapshotMs = Date.UTC(2026, 0, 2);
const rowMs = snapshotMs - 3_600_000;

function comparer(options: { maxIds?: number; expectAll?: boolean } = {}): Comparer {
  const made = new Comparer({ maxIds: 20, expectAll: false, ...options });
  made.setSnapshot(snapshotLsn, snapshotMs);
  made.setRetention(() => ({ expiredMs: Number.POSITIVE_INFINITY, isAlsoBySize: true }));
  return made;
}

const event = (id: string, createdAtMs: number | null = rowMs) => ({ id, topic: 't', createdAtMs });

const letter = (status: string, releasedLsn = 0n) => ({ status, releasedLsn, isSinceSnapshot: false });

let nextOffset = 0n;
function record(id: string | undefined, changes: Partial<AuditedRecord> = {}): AuditedRecord {
  nextOffset += 1n;
  return {
    topic: 't',
    partition: 0,
    offset: nextOffset,
    committedAtMs: rowMs + 5,
    key: id ?? null,
    id,
    position: formatPosition(nextOffset, 0),
    fault: undefined,
    producerId: 1n,
    ...changes,
  };
}

/** Kinds that are not empty, with their counts. */
function summary({ findings, unjudged }: Comparison): Record<string, number> {
  const kinds = Object.entries({ ...findings, ...unjudged });
  return Object.fromEntries(
    kinds.filter(([, { count }]) => count > 0).map(([kind, { count }]) => [kind, count]),
  );
}

describe('an event of the table', () => {
  test('that is in Kafka once is no finding', () => {
    const audited = comparer();
    audited.addEvent(event('a'));
    audited.addRecord(record('a'));
    const result = audited.finish(true);
    expect(summary(result)).toEqual({});
    expect(result).toMatchObject({ events: 1, records: 1, deadLetters: 0 });
  });

  test('that Kafka does not have is missing if the progress covers the snapshot', () => {
    const id = randomUUID();
    const audited = comparer();
    audited.addEvent(event(id));
    expect(audited.finish(true).findings.missing).toEqual({ count: 1, first: [id] });
  });

  test('that Kafka does not have is not yet published if the progress does not cover the snapshot', () => {
    const audited = comparer();
    audited.addEvent(event('a'));
    expect(summary(audited.finish(false))).toEqual({ notYetPublished: 1 });
  });

  test.each(['open', 'discarded'])('that is a dead letter (%s) is not missing', (status) => {
    const audited = comparer();
    audited.addEvent(event('a'));
    audited.addDeadLetter('a', letter(status));
    expect(summary(audited.finish(true))).toEqual({});
  });

  test('that was resubmitted is missing, unless that was after the snapshot or it was refused again', () => {
    const audited = comparer();
    for (const id of ['before', 'after', 'again', 'again, and after']) {
      audited.addEvent(event(id));
      audited.addDeadLetter(id, { ...letter('resubmitted'), isSinceSnapshot: id === 'after' });
    }
    audited.addDeadLetter('again', letter('parked'));
    audited.addDeadLetter('again, and after', { ...letter('resubmitted'), isSinceSnapshot: true });
    const result = audited.finish(true);
    expect(summary(result)).toEqual({ missing: 1 });
    expect(result.findings.missing.first).toEqual(['before']);
  });

  test('that is known to be written here is missing where the only dead letter of its id is of another cluster', () => {
    const audited = comparer();
    const statuses = ['open', 'parked', 'discarded'];
    for (const status of statuses) {
      for (const isOfHere of [true, false]) audited.addEvent({ ...event(`${status} ${isOfHere}`), isOfHere });
      audited.addEvent({ ...event(`${status}, published`), isOfHere: true });
      audited.addRecord(record(`${status}, published`));
      for (const name of ['true', 'false']) audited.addDeadLetter(`${status} ${name}`, letter(status), false);
      audited.addDeadLetter(`${status}, published`, letter(status), false);
    }
    const result = audited.finish(true);
    expect(summary(result)).toEqual({ missing: 3 });
    expect(result.findings.missing.first).toEqual(statuses.map((status) => `${status} true`));
  });

  test('that is a dead letter and in Kafka is a finding unless it was resubmitted', () => {
    const audited = comparer();
    for (const [id, status] of [
      ['a', 'open'],
      ['b', 'resubmitted'],
    ] as const) {
      audited.addEvent(event(id));
      audited.addRecord(record(id));
      audited.addDeadLetter(id, letter(status));
    }
    expect(audited.finish(true).findings.deadLetterPublished).toEqual({ count: 1, first: ['a'] });
  });

  test('that is parked must not be in Kafka, and must be once its release is covered', () => {
    const audited = comparer();
    for (const id of [
      'parked',
      'parked and published',
      'released',
      'released and absent',
      'released just now',
    ])
      audited.addEvent(event(id));
    for (const id of ['parked and published', 'released', 'released of a row that is gone'])
      audited.addRecord(record(id));
    audited.addDeadLetter('parked', letter('parked'));
    audited.addDeadLetter('parked and published', letter('parked'));
    audited.addDeadLetter('released', letter('released', snapshotLsn - 1n));
    audited.addDeadLetter('released and absent', letter('released', snapshotLsn - 1n));
    audited.addDeadLetter('released just now', letter('released', snapshotLsn));
    audited.addDeadLetter('released of a row that is gone', letter('released', snapshotLsn - 1n));
    const result = audited.finish(true);
    expect(summary(result)).toEqual({ missing: 1, deadLetterPublished: 1 });
    expect(result.findings.missing.first).toEqual(['released and absent']);
    expect(result.findings.deadLetterPublished.first).toEqual(['parked and published']);
  });

  test('that is three times in Kafka is listed once as a duplicate, and not as out of order', () => {
    const audited = comparer();
    audited.addEvent(event('a'));
    const once = record('a');
    for (const offset of [7n, 8n, 9n]) audited.addRecord({ ...once, offset });
    const { findings } = audited.finish(true);
    expect(findings.duplicate).toEqual({ count: 1, first: ['a'] });
    expect(findings.outOfOrder.count).toBe(0);
  });

  test('whose id the table has twice must be in Kafka twice', () => {
    const once = comparer();
    const twice = comparer();
    for (const audited of [once, twice]) {
      audited.addEvent(event('a'));
      audited.addEvent(event('a'));
      audited.addRecord(record('a'));
    }
    twice.addRecord(record('a'));
    expect(summary(once.finish(true))).toEqual({ missing: 1, repeatedId: 1 });
    expect(summary(twice.finish(true))).toEqual({ repeatedId: 1 });
  });
});

describe('a record of a replay', () => {
  const replays = [
    { id: 'r', isFirst: false, topic: null },
    { id: 'first', isFirst: true, topic: null },
  ];
  const sentMs = snapshotMs - 1_000;
  const replayedRecord = (id: string | undefined, replayId = 'r', changes: Partial<AuditedRecord> = {}) =>
    record(id, { position: undefined, replay: { id: replayId, isAgain: true, atMs: sentMs }, ...changes });

  function audit(records: readonly AuditedRecord[], prepare: (audited: Comparer) => void = () => {}) {
    const audited = comparer();
    audited.addProducer(1n, 'this slot');
    audited.setReplays(replays);
    prepare(audited);
    audited.addEvent(event('a'));
    audited.addEvent(event('b'));
    audited.addRecord(record('b'));
    for (const each of records) audited.addRecord(each);
    return audited.finish(true);
  }

  test('repeats an event that the stream has published, and is no duplicate', () => {
    const result = audit([record('a'), replayedRecord('a'), replayedRecord('b')]);
    expect(summary(result)).toEqual({});
    expect(result.replayed).toBe(2);
  });

  test('makes up for no record that is missing', () => {
    expect(summary(audit([replayedRecord('a')]))).toEqual({ missing: 1 });
  });

  test('is a duplicate if the same replay has published the event before', () => {
    const { findings } = audit([record('a'), replayedRecord('a'), replayedRecord('a'), replayedRecord('a')]);
    expect(findings.duplicate).toEqual({ count: 1, first: ['a'] });
  });

  test('is compared with its row', () => {
    const audited = comparer();
    audited.setReplays(replays);
    const place = { relation: '1', ctid: '(0,1)' };
    audited.addEvent({ ...event('a'), place });
    expect(audited.addRecord(replayedRecord('a'))).toMatchObject({ id: 'a', places: [place] });
  });

  test('is leaked if its event is in neither the table nor the dead letters', () => {
    expect(summary(audit([record('a'), replayedRecord('x')]))).toEqual({ leaked: 1 });
  });

  test('is a fault if it names a replay that is not known, or no event, unless a stranger wrote it', () => {
    const faults = [replayedRecord('a', 'other'), replayedRecord(undefined)];
    expect(summary(audit([record('a'), ...faults]))).toEqual({ undecodable: 2 });
    const strange = faults.map((each) => ({ ...each, producerId: 9n }));
    expect(summary(audit([record('a'), ...strange]))).toEqual({ foreign: 2 });
  });

  test('does not say that a topic still has what came after its event', () => {
    const trimmed = (audited: Comparer) => audited.addTrimmed('t', 1);
    const old = replayedRecord('b', 'r', { partition: 1, committedAtMs: rowMs - 1_000 });
    const later = record('b2', { partition: 1, committedAtMs: rowMs + 1_000 });
    const result = audit([old, later], (audited) => {
      trimmed(audited);
      audited.addEvent(event('b2'));
    });
    expect(summary(result)).toEqual({ expired: 1 });
  });

  test('hides the later events of its key in a compacted topic', () => {
    const result = audit([replayedRecord('b', 'r', { key: 'k', committedAtMs: rowMs - 9 })], (audited) =>
      audited.setCompacted(new Set(['t'])),
    );
    expect(result.findings.missing.count).toBe(1);
    const audited = comparer();
    audited.setCompacted(new Set(['t']));
    audited.setReplays(replays);
    audited.addRecord(replayedRecord('b', 'r', { key: 'k' }));
    expect(audited.lastOfKeyMs('t', 'k')).toBe(sentMs);
  });

  test('of an event from before the first start publishes it, once in all replays', () => {
    const early = (audited: Comparer) => {
      audited.addEvent({ ...event('early'), origin: 'before' });
    };
    const done = [record('a'), replayedRecord('early', 'first')];
    expect(summary(audit(done, early))).toEqual({});
    expect(summary(audit([...done, replayedRecord('early', 'first')], early))).toEqual({ duplicate: 1 });
    expect(summary(audit([...done, record('early')], early))).toEqual({ duplicate: 1 });
  });
});

describe('an event from before the first start', () => {
  test.each<[boolean, boolean, object]>([
    [true, false, { before: 1, missing: 1, undated: 1 }],
    [false, false, { before: 1, notYetPublished: 2 }],
    [true, true, { missing: 3 }],
  ])('was never to be streamed (covered %s, everything expected %s)', (isCovered, expectAll, expected) => {
    const audited = comparer({ expectAll });
    for (const origin of ['before', 'streamed', 'undated'] as const)
      audited.addEvent({ ...event(origin), origin });
    expect(summary(audited.finish(isCovered))).toEqual(expected);
  });

  test('is missing if another row of its id was committed later', () => {
    const audited = comparer();
    for (const origin of ['before', 'streamed'] as const) audited.addEvent({ ...event('a'), origin });
    expect(summary(audited.finish(true))).toMatchObject({ missing: 1 });
  });
});

test('a record whose row cleanup may have removed is not leaked, also where cleanup has left an older row', () => {
  const beforeMs = rowMs + 1_000_000;
  const lastMs = beforeMs + 7_200_000;
  for (const [committedAtMs, expectAll, expected] of [
    [beforeMs - 1, false, { unknown: 1 }],
    [lastMs - 1, false, { leakedOrRemoved: 1 }],
    [lastMs + 3_600_000, false, { leaked: 1 }],
    [lastMs - 1, true, { leaked: 1 }],
  ] as const) {
    const audited = comparer({ expectAll });
    audited.addEvent(event('kept', rowMs));
    audited.addRecord(record('kept', { committedAtMs: rowMs + 1 }));
    audited.noteRemoved({ beforeMs, lastMs });
    audited.addRecord(record('gone', { committedAtMs, position: '0000000000000001.00000000' }));
    expect(summary(audited.finish(true))).toEqual(expected);
  }
});

describe('where Kafka removed the beginning of the topic', () => {
  function trimmed(options: { expectAll?: boolean } = {}): Comparer {
    const audited = comparer(options);
    audited.addTrimmed('t', 0);
    audited.addEvent(event('old', rowMs));
    audited.addEvent(event('kept', rowMs + 10));
    audited.addEvent(event('young', rowMs + 20));
    audited.addRecord(record('kept', { committedAtMs: rowMs + 12 }));
    return audited;
  }

  test('an absent event is missing only if it is younger than the oldest record left', () => {
    const { findings, unjudged } = trimmed().finish(true);
    expect(unjudged.expired.first).toEqual(['old']);
    expect(findings.missing.first).toEqual(['young']);
  });

  test('every absent event is missing with expectAll', () => {
    expect(summary(trimmed({ expectAll: true }).finish(true))).toEqual({ missing: 2 });
  });

  test('no absent event is missing when the partition is empty', () => {
    const audited = comparer();
    audited.addTrimmed('t', 0);
    audited.addEvent(event('a'));
    expect(summary(audited.finish(true))).toEqual({ expired: 1 });
  });

  describe('and other producers write to it', () => {
    /** A record of the relay of another database, with a time of the future. */
    const theirs = (changes: Partial<AuditedRecord> = {}) =>
      record('9', { producerId: 2n, committedAtMs: snapshotMs + 3_000_000, ...changes });
    const headless = () => ({ ...theirs(), producerId: 3n, id: undefined, position: undefined });
    const faulty = () => ({ ...theirs(), producerId: undefined, fault: 'it is damaged' });

    const addRows = (audited: Comparer) => {
      for (const [index, id] of ['old', 'kept', 'young'].entries())
        audited.addEvent(event(id, rowMs + 10 * index));
    };

    test.each([
      ['of another slot', theirs],
      ['without headers', headless],
      ['undecodable', faulty],
    ])('their records, %s, do not tell how far back it reaches', (_, strange) => {
      const audited = comparer();
      audited.addTrimmed('t', 0);
      audited.addProducer(2n, 'elsewhere');
      addRows(audited);
      audited.addRecord(strange());
      audited.addRecord(record('kept', { committedAtMs: rowMs + 12 }));
      expect(summary(audited.finish(true))).toEqual({ missing: 1, expired: 1, foreign: 1 });
    });

    test('and where theirs alone are left, an event is missing or removed, unless its age explains it', () => {
      const audited = comparer();
      for (const partition of [0, 1]) audited.addTrimmed('t', partition);
      audited.setRetention(() => ({ expiredMs: rowMs + 5, isAlsoBySize: false }));
      audited.addProducer(2n, 'elsewhere');
      addRows(audited);
      audited.addRecord(theirs({ partition: 1 }));
      audited.addRecord(record('kept', { committedAtMs: rowMs + 12 }));
      const { findings, unjudged } = audited.finish(true);
      expect(unjudged.expired.first).toEqual(['old']);
      expect(unjudged.missingOrRemoved.first).toEqual(['young']);
      expect(findings.missing.count).toBe(0);
    });
  });

  describe('that is left without any record', () => {
    const emptied = (retention: Retention | undefined) => {
      const audited = comparer();
      audited.addTrimmed('t', 0);
      audited.addEvent(event('young'));
      audited.addEvent(event('old', rowMs - 1_000));
      audited.setRetention(() => retention);
      return audited.finish(true);
    };

    test('may have lost a younger event than its age explains, or the event is missing', () => {
      const { unjudged, findings } = emptied({ expiredMs: rowMs - 500, isAlsoBySize: false });
      expect(unjudged.expired.first).toEqual(['old']);
      expect(unjudged.missingOrRemoved.first).toEqual(['young']);
      expect(findings.missing.count).toBe(0);
    });

    test('has lost its last records because of their age, also where the topic is limited in bytes', () => {
      const { unjudged } = emptied({ expiredMs: rowMs - 500, isAlsoBySize: true });
      expect([unjudged.expired.first, unjudged.missingOrRemoved.first]).toEqual([['old'], ['young']]);
    });

    test('has lost none because of its age where the topic keeps records forever', () => {
      const retention = { expiredMs: Number.NEGATIVE_INFINITY, isAlsoBySize: false };
      expect(summary(emptied(retention))).toEqual({ missingOrRemoved: 2 });
    });

    test('is explained by nothing where the settings of the topic may not be read', () => {
      expect(summary(emptied(undefined))).toEqual({ missingOrRemoved: 2 });
    });

    test('does not excuse a younger event beside a partition that tells more', () => {
      const audited = comparer();
      for (const partition of [0, 1]) audited.addTrimmed('t', partition);
      audited.addEvent(event('young'));
      audited.addEvent(event('old', rowMs - 1_000));
      audited.addRecord(record('kept', { partition: 1, committedAtMs: rowMs - 500 }));
      audited.setRetention(() => ({ expiredMs: rowMs - 9_000, isAlsoBySize: true }));
      const { unjudged } = audited.finish(true);
      expect(unjudged.expired.first).toEqual(['old']);
      expect(unjudged.missingOrRemoved.first).toEqual(['young']);
    });
  });

  describe('and a record of this outbox is left in it', () => {
    const left = (retention: Retention | undefined, firstMs = rowMs + 50) => {
      const audited = comparer();
      audited.addTrimmed('t', 0);
      audited.setRetention(() => retention);
      audited.addEvent(event('young'));
      audited.addEvent(event('old', rowMs - 1_000));
      audited.addEvent(event('kept', firstMs));
      audited.addRecord(record('kept', { committedAtMs: firstMs }));
      return audited.finish(true);
    };

    test('it excuses no older event that is younger than the topic keeps them', () => {
      const { unjudged, findings } = left({ expiredMs: rowMs - 500, isAlsoBySize: false });
      expect(unjudged.expired.first).toEqual(['old']);
      expect(unjudged.missingOrRemoved.first).toEqual(['young']);
      expect(findings.missing.count).toBe(0);
    });

    test('it excuses any older event where the topic is limited in bytes', () => {
      expect(summary(left({ expiredMs: rowMs - 5_000, isAlsoBySize: true }))).toEqual({ expired: 2 });
    });

    test('it excuses none where the settings of the topic may not be read', () => {
      expect(summary(left(undefined))).toEqual({ missingOrRemoved: 2 });
    });

    test('it excuses no younger event, though the topic would not keep that any more', () => {
      const retention = { expiredMs: rowMs + 900, isAlsoBySize: false };
      expect(summary(left(retention, rowMs - 9_000))).toEqual({ missing: 2 });
    });
  });

  test('an absent event of another topic is missing', () => {
    const audited = comparer();
    audited.addTrimmed('other', 0);
    audited.addEvent(event('a'));
    expect(summary(audited.finish(true))).toEqual({ missing: 1 });
  });
});

describe('a record whose event the table does not have', () => {
  function withStranger(changes: Partial<AuditedRecord>, options: { expectAll?: boolean } = {}): Comparer {
    const audited = comparer(options);
    audited.addEvent(event('a'));
    audited.addRecord(record('a'));
    audited.addRecord(record('x', changes));
    return audited;
  }

  test('is leaked', () => {
    expect(withStranger({}).finish(true).findings.leaked).toEqual({ count: 1, first: ['x'] });
  });

  test('is leaked when Kafka has its time without the part of a millisecond that the oldest row has', () => {
    const audited = comparer();
    audited.addEvent(event('a', rowMs + 0.9));
    audited.addRecord(record('a', { committedAtMs: rowMs }));
    audited.addRecord(record('x', { committedAtMs: rowMs }));
    expect(summary(audited.finish(true))).toEqual({ leaked: 1 });
  });

  test('is newer when its position and its time are not below the snapshot', () => {
    const newer = withStranger({ position: formatPosition(snapshotLsn, 0), committedAtMs: snapshotMs });
    expect(summary(newer.finish(true))).toEqual({ newer: 1 });
  });

  test('is leaked when only its position is beyond the snapshot, as with another database', () => {
    const other = withStranger({ position: formatPosition(snapshotLsn + 5n, 0) });
    expect(summary(other.finish(true))).toEqual({ leaked: 1 });
  });

  test('is leaked when only its time is beyond the snapshot', () => {
    const late = withStranger({
      position: formatPosition(snapshotLsn - 1n, 0),
      committedAtMs: snapshotMs + 1,
    });
    expect(summary(late.finish(true))).toEqual({ leaked: 1 });
  });

  test('is newer when the second look at the table finds it', () => {
    const audited = withStranger({});
    expect([...audited.suspects()]).toEqual(['x']);
    audited.confirm('x');
    expect(summary(audited.finish(true))).toEqual({ newer: 1 });
  });

  test('is unknown when it is older than the oldest row, and then not a suspect', () => {
    const audited = withStranger({ committedAtMs: rowMs - 1 });
    expect([...audited.suspects()]).toEqual([]);
    expect(summary(audited.finish(true))).toEqual({ unknown: 1 });
  });

  test('is leaked when it is older than the oldest row and everything is expected', () => {
    expect(summary(withStranger({ committedAtMs: rowMs - 1 }, { expectAll: true }).finish(true))).toEqual({
      leaked: 1,
    });
  });

  test('is unknown when its transaction may have straddled the cut where older rows were removed', () => {
    const audited = withStranger({ committedAtMs: rowMs - 1 });
    audited.addRecord(record('straddling', { committedAtMs: rowMs + 1_000 }));
    audited.addRecord(record('well after', { committedAtMs: rowMs + 601_000 }));
    const { findings, unjudged } = audited.finish(true);
    expect(unjudged.unknown.first).toEqual(['x', 'straddling']);
    expect(findings.leaked.first).toEqual(['well after']);
  });

  test('is judged by the oldest record of a row when the table has no times', () => {
    const audited = comparer();
    audited.addEvent(event('a', null));
    audited.addRecord(record('old', { committedAtMs: rowMs - 700_000 }));
    audited.addRecord(record('a', { committedAtMs: rowMs }));
    audited.addRecord(record('new', { committedAtMs: rowMs + 700_000 }));
    const { findings, unjudged } = audited.finish(true);
    expect(unjudged.unknown.first).toEqual(['old']);
    expect(findings.leaked.first).toEqual(['new']);
  });

  test('is accounted for by a dead letter that was resubmitted', () => {
    const audited = withStranger({});
    audited.addDeadLetter('x', letter('resubmitted'));
    expect(summary(audited.finish(true))).toEqual({});
  });
});

describe('the order of a key', () => {
  const at = (position: bigint, ordinal: number, changes: Partial<AuditedRecord> = {}) =>
    record(randomUUID(), {
      key: 'k',
      position: formatPosition(position, ordinal),
      committedAtMs: rowMs - 1,
      ...changes,
    });

  test.each([
    ['falls', at(5n, 0), at(4n, 0)],
    ['falls in its ordinal', at(5n, 1), at(5n, 0)],
    ['stays', at(5n, 0), at(5n, 0)],
  ])('is broken when the position %s', (_, first, second) => {
    const audited = comparer();
    audited.addRecord(first);
    audited.addRecord(second);
    expect(audited.finish(true).findings.outOfOrder).toEqual({
      count: 1,
      first: [
        {
          id: second.id,
          topic: 't',
          partition: 0,
          offset: String(second.offset),
          position: second.position,
          after: first.position,
        },
      ],
    });
  });

  test('holds across a digit more, and says nothing of other keys and partitions', () => {
    const audited = comparer();
    audited.addRecord(at(9n, 0));
    audited.addRecord(at(10n, 0));
    audited.addRecord(at(1n, 0, { key: 'other' }));
    audited.addRecord(at(1n, 0, { partition: 1 }));
    audited.addRecord(at(1n, 0, { topic: 'other' }));
    expect(audited.finish(true).findings.outOfOrder.count).toBe(0);
  });
});

describe('a record that cannot be used', () => {
  test.each([
    ['no header id', { id: undefined }],
    ['no legal header position', { position: '5' }],
    ['schema 9: unknown to the registry', { fault: 'schema 9: unknown to the registry' }],
  ])('is undecodable: %s', (reason, changes) => {
    const audited = comparer();
    audited.addEvent(event('a'));
    audited.addRecord(record('a', changes));
    audited.addRecord(record('b'));
    expect(audited.finish(false).findings.undecodable).toMatchObject({ count: 1, first: [{ reason }] });
  });

  test('is still there: its event is not missing', () => {
    const audited = comparer();
    audited.addEvent(event('a'));
    audited.addRecord(record('a', { fault: 'schema 9: the bytes do not fit it' }));
    expect(summary(audited.finish(true))).toEqual({ undecodable: 1 });
  });
});

test('ids are kept up to the limit, and all are counted', () => {
  const audited = comparer({ maxIds: 2 });
  for (let n = 0; n < 5_000; n += 1) audited.addEvent(event(randomUUID()));
  const { missing } = audited.finish(true).findings;
  expect(missing.count).toBe(5_000);
  expect(missing.first).toHaveLength(2);
});
