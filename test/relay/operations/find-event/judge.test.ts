import { expect, test } from 'vitest';
import type {
  FoundLetter,
  FoundRecord,
  FoundRow,
  Looked,
} from '../../../../relay/operations/find-event/found.ts';
import { judgeEvent } from '../../../../relay/operations/find-event/judge.ts';
import type { Context, EventExtras, EventParts } from '../../../../relay/operations/find-event/parts.ts';

const row: FoundRow = {
  id: 'a',
  aggregatetype: 'item',
  key: 'k',
  type: 'T',
  createdAt: '2026-01-01T00:00:00.000Z',
  table: 'outbox.event',
  xid: '1',
  committedAt: null,
  payloadBytes: 2,
  contents: null,
  topic: 't',
  progress: 'later',
  fromMs: 0,
};
const record: FoundRecord = {
  topic: 't',
  partition: 3,
  offset: '12',
  id: 'a',
  position: '0000000000000010.00000000',
  type: 'T',
  key: 'k',
  committedAt: '2026-01-01T00:00:01.000Z',
  valueBytes: 9,
  format: 'avro',
  schema: null,
  replayId: null,
  isOfRelay: true,
  isOfThisSlot: true,
};
const letter: FoundLetter = {
  position: '0000000000000010.00000000',
  eventId: 'a',
  aggregatetype: 'item',
  aggregateid: 'k',
  type: 'T',
  topic: 't',
  subject: null,
  schemaId: null,
  code: 'TOPIC_PAUSED',
  message: 'its topic is paused',
  path: null,
  status: 'parked',
  leftOut: null,
  isOfParkedKey: true,
  isOfKeySetAside: false,
  fixedAt: null,
  waitsFor: 'release',
  firstSeen: '2026-01-01T00:00:02.000Z',
  actions: [],
  behind: { position: '0000000000000010.00000000', isPaused: true, parkedAt: '2026-01-01T00:00:02.000Z' },
};
const window: Looked = {
  topic: 't',
  partition: 3,
  from: '10',
  to: '20',
  records: 5,
  begin: '2',
  stableEnd: '20',
  end: '20',
  stoppedBy: 'end',
};
const pause = {
  topic: 't',
  mode: 'set-aside' as const,
  person: 'anna',
  reason: 'upgrade',
  since: '2026-01-01T00:00:00.000Z',
  until: null,
  isOver: false,
  isReleasing: false,
};
const verdict = { name: 'paused' as const, text: 'Paused by anna.', advice: 'Resume.', concerns: [] };

function judge(
  parts: Partial<EventParts>,
  context: Partial<Context> = {},
  extras: Partial<EventExtras> = {},
) {
  return judgeEvent(
    { id: 'a', rows: [], letters: [], records: [], looked: [], ...parts },
    { findings: [], replays: [], removal: null, ...extras },
    {
      verdict,
      control: { pauses: [] },
      areRowsRead: true,
      areRemovalsRead: true,
      isKafkaRead: true,
      auditedAt: null,
      transactions: [],
      ...context,
    },
  );
}

const judged = (looked: readonly Looked[], more: Partial<FoundRow> = {}, context: Partial<Context> = {}) =>
  judge({ rows: [{ ...row, ...more }], looked }, context);

test('an event waits only where its partition was read from its commit to the end', () => {
  expect(judged([window]).state).toBe('waiting');
  expect(judged([{ ...window, to: '15', stoppedBy: 'limit' }]).state).toBe('unclear');
  const later = { ...window, from: '20', to: '30', stableEnd: '30', end: '30' };
  expect(judged([{ ...window, stoppedBy: 'limit' }, later]).state).toBe('waiting');
  expect(judged([window, { ...later, from: '25' }]).state).toBe('unclear');
  expect(judged([]).state).toBe('unclear');
});

test('each reason why it is not published is named, and that they could not be read', () => {
  const other = { ...pause, topic: 'other', mode: 'hold' as const, until: '2026-01-02T00:00:00.000Z' };
  const concerns = [
    { name: 'relay-failing' as const, text: 'r2 fails.', advice: null, command: null },
    { name: 'audit' as const, text: 'no reason.', advice: null, command: null },
  ];
  const control = { pauses: [pause, other, { ...pause, isOver: true, reason: 'over' }] };
  expect(judged([window], {}, { control, verdict: { ...verdict, concerns } }).reasons).toEqual([
    'The relay: Paused by anna. Resume.',
    'Its topic is paused by anna since 2026-01-01T00:00:00.000Z: upgrade. Its events are set aside.',
    'Topic other is paused by anna since 2026-01-01T00:00:00.000Z: upgrade. The stream waits at the first event of it, and everything behind waits too. It ends by itself at 2026-01-02T00:00:00.000Z.',
    'r2 fails.',
  ]);
  expect(judged([window], {}, { verdict: { ...verdict, name: 'streaming' } }).reasons).toEqual([]);
  expect(judged([window], {}, { verdict: null }).reasons).toEqual([expect.stringContaining('not known')]);
  expect(judge({ records: [record], rows: [row] }).reasons).toEqual([]);
});

test('what is set aside names the pause, and what is being released after one does not wait for anybody', () => {
  expect(judge({ letters: [letter] }, { control: { pauses: [pause] } })).toMatchObject({
    state: 'parked',
    text: expect.stringContaining('paused by anna since 2026-01-01T00:00:00.000Z: upgrade'),
    advice: expect.stringContaining('resume --topic t'),
  });
  const releasing = judge({ letters: [letter] }, { control: { pauses: [{ ...pause, isReleasing: true }] } });
  expect(releasing).toMatchObject({ state: 'parked', text: expect.stringContaining('The pause is over') });
  expect(releasing.advice).toBeNull();
});

test('a row is said to be removed by cleanup only as far as that is known', () => {
  const removal = {
    relation: 'outbox.event_20260101',
    removedAt: '2026-01-04T00:00:00.000Z',
    archive: 'event_20260101.jsonl.gz',
    rowsBefore: '2026-01-02T00:00:00.000Z',
  };
  const gone = judge({ records: [record] }, {}, { removal });
  expect(gone).toMatchObject({
    state: 'row-removed',
    text: expect.stringContaining(
      'cleanup dropped outbox.event_20260101, which had the rows of its day, at 2026-01-04T00:00:00.000Z. The file event_20260101.jsonl.gz of the archive has its rows.',
    ),
  });
  expect(gone.story.at(-1)).toMatchObject({ what: 'row-removed', at: removal.removedAt });
  const perhaps = judge(
    { records: [record] },
    {},
    { removal: { ...removal, relation: null, archive: null } },
  );
  expect(perhaps).toMatchObject({
    state: 'row-removed',
    text: expect.stringContaining('may have been one of them'),
  });
  expect(perhaps.story.some(({ what }) => what === 'row-removed')).toBe(false);
  expect(judge({ records: [record] })).toMatchObject({
    state: 'published',
    text: expect.stringContaining('cleanup has removed none that was written then'),
    advice: expect.stringContaining('verify'),
  });
  for (const [context, words] of [
    [{ areRowsRead: false }, 'Whether the outbox table still has its row is not known'],
    [{ areRemovalsRead: false }, 'whether cleanup removed it is not known'],
  ] as const)
    expect(judge({ records: [record] }, context)).toMatchObject({
      state: 'published',
      advice: null,
      text: expect.stringContaining(words),
    });
});

test('the story has what the audit found, when it was over, and the replays with who started them', () => {
  const finding = {
    id: 'a',
    kind: 'missing' as const,
    foundAt: '2026-01-01T00:01:00.000Z',
    resolvedAt: '2026-01-01T00:02:00.000Z',
    resolvedBy: 'record' as const,
    topic: 't',
    partition: 3,
    offset: null,
    position: null,
    detail: null,
  };
  const replay = {
    id: 'r1',
    state: 'done' as const,
    topic: 'copy',
    startedAt: '2026-01-01T00:03:00.000Z',
    finishedAt: null,
    person: 'anna',
    reason: 'billing lost its state',
    how: 'may-cover' as const,
    why: null,
  };
  const { story } = judge({ rows: [row], records: [record] }, {}, { findings: [finding], replays: [replay] });
  expect(story.slice(-3)).toEqual([
    { at: finding.foundAt, what: 'finding', text: 'The audit found it missing in t, partition 3' },
    { at: finding.resolvedAt, what: 'resolved', text: 'The audit found it in a topic after all' },
    {
      at: replay.startedAt,
      what: 'replayed',
      text: 'Replay r1 may have published it again to copy, by its range, started by anna: billing lost its state',
    },
  ]);
});

test('an audit that started again is no proof of a record', () => {
  const finding = {
    id: 'a',
    kind: 'missing' as const,
    foundAt: '2026-01-01T00:01:00.000Z',
    resolvedAt: '2026-01-01T00:02:00.000Z',
    resolvedBy: 'start' as const,
    topic: 't',
    partition: null,
    offset: null,
    position: null,
    detail: null,
  };
  const { story, text } = judge({ rows: [{ ...row, progress: 'covered' }] }, {}, { findings: [finding] });
  expect(story.at(-1)).toEqual({
    at: finding.resolvedAt,
    what: 'resolved',
    text: 'The audit started again, and forgot that it had found it missing',
  });
  expect(text).toMatch(/^The progress covers it, so the relay should have published it/);
});

test('a record of another producer is named as such, and is no sign that the relay published the event', () => {
  const foreign = { ...record, position: null, isOfRelay: false, offset: '4' };
  const named =
    'Another producer wrote a record with its id, without the headers of a relay: t, partition 3, offset 4.';
  const alone = judge({ records: [foreign] });
  expect(alone).toMatchObject({
    state: 'unclear',
    text: `No relay of this outbox wrote it, and the outbox table has no row of it now. ${named}`,
    reasons: [],
  });
  expect(alone.story).toEqual([
    {
      at: foreign.committedAt,
      what: 'foreign',
      text: 'Written by another producer, not by a relay: t, partition 3, offset 4',
    },
  ]);
  expect(judge({ records: [foreign] }, { areRowsRead: false }).text).toContain('row of it is not known');
  const waiting = judge({ rows: [row], records: [foreign, foreign], looked: [window] });
  expect(waiting).toMatchObject({
    state: 'waiting',
    text: expect.stringContaining(`${named.slice(0, -1)}, the first of 2 such records.`),
  });
  const before = judge({ rows: [{ ...row, progress: 'before' }], records: [foreign] });
  expect(before).toMatchObject({
    state: 'before-slot',
    advice: expect.stringContaining('the event is published. If not, `outbox-relay replay`'),
  });
  const later = { ...foreign, committedAt: '2026-01-01T00:00:02.000Z' };
  const published = judge({ rows: [row], records: [later, record] });
  expect(published).toMatchObject({
    state: 'published',
    text: `Published: t, partition 3, offset 12. ${named}`,
  });
  expect(published.story.map(({ what }) => what)).toEqual(['written', 'committed', 'published', 'foreign']);
});

test('what was not read is said', () => {
  expect(judged([{ ...window, to: '15' }], { progress: 'covered' }).text).toContain(
    'not found in 5 records of t, partition 3 (offsets 10 to 15; older and newer ones were not read; Kafka has removed those before offset 2)',
  );
});

test('without Kafka nothing is said to wait or to be missing', () => {
  expect(judged([], {}, { isKafkaRead: false }).state).toBe('unclear');
  expect(judged([], { progress: 'covered' }, { isKafkaRead: false }).state).toBe('unclear');
});

test('an open Kafka transaction may hide it', () => {
  expect(judged([{ ...window, end: '22' }]).state).toBe('in-open-transaction');
});

test('the instance that published a record is named only where this slot may have written it', () => {
  const transaction = (endLsn: string) => ({
    offset: '0',
    writtenAt: '2026-01-01T00:00:03.000Z',
    instance: 'r1',
    endLsn,
    commitLsn: null,
    committedAt: null,
    isPartial: false,
    eventCount: 1,
    letterCount: null,
  });
  const transactions = [transaction('0/20'), transaction('0/8')];
  for (const [isOfThisSlot, named] of [
    [true, true],
    [null, true],
    [false, false],
  ] as const) {
    const { story } = judge({ records: [{ ...record, isOfThisSlot }] }, { transactions });
    const published = story.find(({ what }) => what === 'published');
    expect(published?.text.endsWith(' by r1')).toBe(named);
    expect(published?.at === null).toBe(!named);
  }
});

test('a record of the relay of another database is named as such', () => {
  const theirs = { ...record, isOfRelay: false, isOfThisSlot: false };
  expect(judge({ rows: [row], records: [theirs], looked: [window] }).text).toContain(
    'The relay of another database or outbox wrote a record with its id: t, partition 3',
  );
});
