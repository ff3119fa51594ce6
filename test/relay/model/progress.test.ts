import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CommittedTransaction } from '../../../relay/capture/transaction.ts';
import { formatPosition } from '../../../relay/model/position.ts';
import {
  advance,
  type Progress,
  parseProgress,
  publishedEvents,
  serializeProgress,
} from '../../../relay/model/progress.ts';
import { BatchBuilder } from '../../../relay/publish/kafkajs/batch.ts';
import { Filling } from '../../../relay/stream/filling.ts';
import { publishedPart } from '../../../relay/stream/published-part.ts';
import { codeOf } from '../../support/code-of.ts';
import { blankRow, rowsFrom, transactionOf } from '../capture/rows.ts';
import { recordOf } from '../publish/records.ts';
import { configOf } from '../settings.ts';
import { progress, writer } from './progresses.ts';

const all = Number.POSITIVE_INFINITY;

describe('a progress record', () => {
  test('reads back as it was written', () => {
    const whole = progress({ endLsn: 2n ** 64n - 1n });
    const partial = progress({ partial: { commitLsn: 0x16_b374_d848n, ordinal: 70_000 } });
    const known = progress({ last: { commitLsn: 2n ** 33n, committedAtMs: 1_767_000_000_123 } });
    const givenUp = { id: 'adoption', systemIdentifier: '1', endLsn: 2n ** 40n };
    for (const one of [whole, partial, known, progress({ givenUp }), progress({ adopting: 'debezium' })])
      expect(parseProgress(serializeProgress(one))).toEqual(one);
  });

  test('is JSON with LSNs as Postgres prints them, for people and other tools', () => {
    const text = serializeProgress(progress({ partial: { commitLsn: 2n ** 32n, ordinal: 7 } }));
    expect(JSON.parse(text)).toEqual({
      version: 1,
      slot: 'outbox_relay',
      systemIdentifier: '7000000000000000001',
      timeline: 3,
      endLsn: '0/3E8',
      partial: { commitLsn: '1/0', ordinal: 7 },
      beat: 5,
      eventCount: 10,
      instance: 'me',
      time: '2026-01-02T03:04:05.678Z',
    });
  });

  const valid = JSON.parse(serializeProgress(progress())) as Record<string, unknown>;
  test.each([
    ['of a newer version', { version: 2 }],
    ['without a version', { version: undefined }],
    ['whose version is text', { version: '1' }],
    ['without an end', { endLsn: undefined }],
    ['whose end is no LSN', { endLsn: '12' }],
    ['whose partial is left out', { partial: undefined }],
    ['with half a partial', { partial: { commitLsn: '0/1' } }],
    ['whose last transaction has no time', { last: { commitLsn: '0/1' } }],
    ['with a negative ordinal', { partial: { commitLsn: '0/1', ordinal: -1 } }],
    ['with a fraction of an event', { eventCount: 1.5 }],
    ['whose system identifier is a number, which would have lost digits', { systemIdentifier: 7e18 }],
  ])('%s is unreadable rather than guessed at', (_, change) => {
    expect(codeOf(() => parseProgress(JSON.stringify({ ...valid, ...change })))).toBe('PROGRESS_UNREADABLE');
  });

  test.each(['', 'null', '[]', '{', '1', '"x"'])('%j is unreadable', (text) => {
    expect(codeOf(() => parseProgress(text))).toBe('PROGRESS_UNREADABLE');
  });
});

describe('what is published already', () => {
  test('is a transaction that was committed before the end, but not one at it', () => {
    expect(publishedEvents(progress(), 999n)).toBe(all);
    expect(publishedEvents(progress(), 1_000n)).toBe(0);
    expect(publishedEvents(progress(), 1_001n)).toBe(0);
  });

  test('of a partial transaction are the events below its ordinal, and of a later one none', () => {
    const partly = progress({ partial: { commitLsn: 1_200n, ordinal: 40 } });
    expect(publishedEvents(partly, 1_200n)).toBe(40);
    expect(publishedEvents(partly, 1_201n)).toBe(0);
    expect(publishedEvents(partly, 999n)).toBe(all);
  });

  test('of a partial transaction that begins right at the end are the events below its ordinal', () => {
    expect(publishedEvents(progress({ partial: { commitLsn: 1_000n, ordinal: 40 } }), 1_000n)).toBe(40);
  });
});

describe('the next progress', () => {
  test('after a whole transaction ends with it and has no partial one', () => {
    const before = progress({ partial: { commitLsn: 1_200n, ordinal: 40 } });
    const after = advance(before, { endLsn: 1_290n, partial: null }, 20, writer);
    expect(after).toEqual(progress({ endLsn: 1_290n, eventCount: 30 }));
  });

  test('after a part keeps the end and names the part', () => {
    const after = advance(
      progress(),
      { endLsn: null, partial: { commitLsn: 1_200n, ordinal: 60 } },
      60,
      writer,
    );
    expect(after).toMatchObject({
      endLsn: 1_000n,
      partial: { commitLsn: 1_200n, ordinal: 60 },
      eventCount: 70,
    });
  });

  test('knows the last transaction, and forgets an earlier one', () => {
    const last = { commitLsn: 1_990n, committedAtMs: 5 };
    const known = advance(progress(), { endLsn: 2_000n, partial: null, last }, 0, writer);
    expect(known.last).toEqual(last);
    expect(advance(known, { endLsn: 2_100n, partial: null }, 0, writer).last).toBeUndefined();
  });

  test('names what it replaced no more', () => {
    const adopted = progress({ givenUp: { id: 'adoption', systemIdentifier: '1', endLsn: 1n } });
    expect(advance(adopted, { endLsn: 2_000n, partial: null }, 1, writer).givenUp).toBeUndefined();
  });

  test('tells who wrote it, when and on which timeline', () => {
    const other = { instance: 'you', time: '2027', timeline: 4 };
    expect(advance(progress(), { endLsn: 2_000n, partial: null }, 0, other)).toMatchObject(other);
  });

  test('knows the last heartbeat, which never goes back', () => {
    const covered = { endLsn: 1_010n, partial: null };
    const beatAfter = (beat?: number) => advance(progress(), { ...covered, beat }, 0, writer).beat;
    expect([beatAfter(), beatAfter(9), beatAfter(2)]).toEqual([5, 9, 5]);
  });

  test('after whole transactions and a part of the next has the end of the last whole one, and the part', () => {
    const partial = { commitLsn: 1_400n, ordinal: 9 };
    expect(advance(progress(), { endLsn: 1_300n, partial }, 1, writer)).toMatchObject({
      endLsn: 1_300n,
      partial,
    });
  });

  const partly = progress({ partial: { commitLsn: 1_200n, ordinal: 70 } });
  test.each([
    ['to an earlier end', progress(), { endLsn: 999n, partial: null }],
    ['nowhere', progress(), { endLsn: 1_000n, partial: null }],
    [
      'to fewer events of a partial one',
      partly,
      { endLsn: null, partial: { commitLsn: 1_200n, ordinal: 50 } },
    ],
    ['to an earlier partial one', partly, { endLsn: null, partial: { commitLsn: 1_100n, ordinal: 90 } }],
    ['to before a partial one', partly, { endLsn: 1_190n, partial: null }],
    [
      'to a partial one before the end',
      progress(),
      { endLsn: null, partial: { commitLsn: 990n, ordinal: 1 } },
    ],
  ])('never goes back: not %s', (_, before, covered) => {
    expect(codeOf(() => advance(before, covered, 0, writer))).toBe('INTERNAL');
  });
});

/**
 * A relay without sockets: the real filling, batches and progress, around a list of transactions. Each commit may be the
 * last before the process dies; Postgres then repeats from anywhere at or before the progress.
 */
describe('exactly once, whatever dies when', () => {
  type Source = { readonly commitLsn: bigint; readonly endLsn: bigint; readonly ids: readonly string[] };
  type Limits = { readonly partRows: number; readonly events: number };

  const record = (id: string) => recordOf({ headers: { id } });

  function* partsOf(
    source: Source,
    { partRows }: Limits,
  ): Generator<CommittedTransaction & { ids: string[] }> {
    const count = Math.max(1, Math.ceil(source.ids.length / partRows));
    for (let part = 0; part < count; part++) {
      const ids = source.ids.slice(part * partRows, (part + 1) * partRows);
      const rows = rowsFrom(ids.map((id) => ({ ...blankRow, id })));
      yield {
        ...transactionOf(source.commitLsn, 0, {
          endLsn: part === count - 1 ? source.endLsn : null,
          firstOrdinal: part * partRows,
          rows,
          bytes: 10,
        }),
        ids,
      };
    }
  }

  /** One life of a relay from `from` on. `dieAfter`: number of commits it lives to see. */
  function live(
    stream: readonly Source[],
    from: Progress,
    limits: Limits,
    dieAfter: number,
    kafka: string[],
  ): Progress {
    const { publish } = configOf({
      PUBLISH_MAX_TRANSACTION_EVENTS: limits.events,
      PUBLISH_BATCH_EVENTS: limits.events,
    });
    let committed = from;
    let commits = 0;
    let batch = new BatchBuilder();
    let filling = new Filling(batch);
    const commit = () => {
      if (filling.covered === undefined || commits >= dieAfter) return;
      commits += 1;
      committed = advance(committed, filling.covered, filling.batch.events, writer);
      for (const send of batch.sends())
        for (const { messages } of send) for (const { headers } of messages) kafka.push(String(headers?.id));
      batch = new BatchBuilder();
      filling = new Filling(batch);
    };
    for (const source of stream)
      for (const part of partsOf(source, limits)) {
        // As the relay does: by the progress that was claimed, not the one of the moment.
        const published = publishedPart(from, part);
        if (published === 'all') continue;
        if (!filling.takes(part, publish)) commit();
        filling.add(part, { records: part.ids.slice(published).map(record), deadLetters: [], parked: [] });
        if (part.ids.length % 3 === 0) commit();
      }
    commit();
    return committed;
  }

  // Back to back, or with a gap between the end of one commit record and the start of the next.
  const streams = fc
    .array(fc.record({ gap: fc.constantFrom(0n, 0n, 24n), events: fc.integer({ min: 0, max: 9 }) }), {
      maxLength: 12,
    })
    .map((shapes) => {
      let lsn = 100n;
      return shapes.map(({ gap, events }): Source => {
        const commitLsn = lsn + gap;
        lsn = commitLsn + 48n;
        const ids = Array.from({ length: events }, (_, ordinal) => formatPosition(commitLsn, ordinal));
        return { commitLsn, endLsn: lsn, ids };
      });
    });
  const lives = fc.array(
    fc.record({
      partRows: fc.integer({ min: 1, max: 5 }),
      events: fc.integer({ min: 1, max: 12 }),
      dieAfter: fc.integer({ min: 0, max: 4 }),
      /** How many transactions before its confirmed position the server repeats. */
      repeated: fc.integer({ min: 0, max: 12 }),
    }),
    { maxLength: 6 },
  );

  test('each event of a random stream is published once and in order, over any number of deaths', () => {
    fc.assert(
      fc.property(streams, lives, (stream, deaths) => {
        const kafka: string[] = [];
        let current = progress({ endLsn: 100n, eventCount: 0 });
        const suffix = (repeated: number) => {
          const first = stream.findIndex(({ commitLsn }) => commitLsn >= current.endLsn);
          return stream.slice(Math.max(0, (first < 0 ? stream.length : first) - repeated));
        };
        for (const { repeated, dieAfter, ...limits } of deaths) {
          current = live(suffix(repeated), current, limits, dieAfter, kafka);
          current = parseProgress(serializeProgress(current));
        }
        current = live(suffix(3), current, { partRows: 3, events: 6 }, all, kafka);
        const expected = stream.flatMap(({ ids }) => ids);
        expect(kafka).toEqual(expected);
        expect(current.eventCount).toBe(expected.length);
        expect(current.endLsn).toBe(stream.at(-1)?.endLsn ?? 100n);
      }),
      { numRuns: 1_000 },
    );
  });
});
