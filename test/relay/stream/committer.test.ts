import { describe, expect, test } from 'vitest';
import { RelayError } from '../../../relay/errors.ts';
import type { Progress } from '../../../relay/model/progress.ts';
import { BatchBuilder } from '../../../relay/publish/kafkajs/batch.ts';
import { type CommitDependencies, Committer } from '../../../relay/stream/committer.ts';
import { Filling } from '../../../relay/stream/filling.ts';
import { transactionOf } from '../capture/rows.ts';
import { recordOf } from '../publish/records.ts';
import { configOf } from '../settings.ts';

const config = configOf();
const claimed = { endLsn: 5n, partial: null, beat: 0, eventCount: 7 } as unknown as Progress;
const transaction = transactionOf(10n, 1, { bytes: 300 });

/** What a commit does to its servers, in order. */
function scene(publish: () => Promise<void> = async () => {}) {
  const steps: string[] = [];
  const say = (step: string) => void steps.push(step);
  const use = {
    config,
    observer: { committed: ({ events }: { events: number }) => say(`told of ${events}`) },
    capture: {
      system: { timeline: 1 },
      acknowledge: (lsn: bigint) => say(`acknowledged ${lsn}`),
      inbox: { release: (bytes: number) => say(`released ${bytes} bytes`) },
    },
    publisher: {
      commit: async (_: unknown, { endLsn, eventCount }: Progress) => {
        say(`Kafka is given ${endLsn}, ${eventCount} events`);
        await publish();
        say('Kafka has confirmed');
      },
      write: async ({ events }: { events: number }) => {
        say(`Kafka is given a part of ${events}`);
        await publish();
      },
    },
    progress: claimed,
    topics: { wrote: () => {}, explain: async (failure: RelayError) => failure },
    transactionLimits: { committed: () => {}, expired: () => say('smaller next time'), publish: {} },
    instance: 'test',
  };
  return { committer: new Committer(use as unknown as CommitDependencies), steps };
}

function filled(): Filling {
  const filling = new Filling(new BatchBuilder());
  filling.add(transaction, { records: [recordOf()], deadLetters: [], parked: [] });
  return filling;
}

describe('a batch is committed', () => {
  test('in Kafka first, and only then is Postgres told that it may forget', async () => {
    const { committer, steps } = scene();
    await committer.commit(filled());
    expect(steps).toEqual([
      'Kafka is given 11, 8 events',
      'Kafka has confirmed',
      'told of 1',
      'acknowledged 11',
      'released 300 bytes',
    ]);
    expect(committer.progress).toMatchObject({ endLsn: 11n, eventCount: 8 });
  });

  test('not at all where it covers nothing', async () => {
    const { committer, steps } = scene();
    await committer.commit(new Filling(new BatchBuilder()));
    expect([steps, committer.progress]).toEqual([[], claimed]);
  });
});

describe('a batch that ends within a Postgres transaction', () => {
  const records = (count: number) => Array.from({ length: count }, () => recordOf());
  function part(firstOrdinal: number, count: number, endLsn: bigint | null): Filling {
    const filling = new Filling(new BatchBuilder());
    const rows = transactionOf(10n, count, { firstOrdinal, endLsn, bytes: 100 });
    filling.add(rows, { records: records(count), deadLetters: [], parked: [] });
    return filling;
  }

  test('is written, and acknowledged only with the batch that ends it', async () => {
    const { committer, steps } = scene();
    expect(await committer.commit(part(0, 3, null))).toBe(false);
    expect([committer.progress, committer.open?.events]).toEqual([claimed, 3]);
    expect(await committer.commit(part(3, 2, 11n))).toBe(true);
    expect(steps).toEqual([
      'Kafka is given a part of 3',
      'released 100 bytes',
      'Kafka is given 11, 12 events',
      'Kafka has confirmed',
      'told of 5',
      'acknowledged 11',
      'released 100 bytes',
    ]);
    expect(committer.open).toBeUndefined();
  });

  test('is committed where the transaction has to be split, with the place in the progress', async () => {
    const { committer, steps } = scene();
    await committer.commit(part(0, 3, null));
    expect(await committer.commit(new Filling(new BatchBuilder()), true)).toBe(true);
    expect(steps.slice(2)).toEqual([
      'Kafka is given 5, 10 events',
      'Kafka has confirmed',
      'told of 3',
      'acknowledged 5',
      'released 0 bytes',
    ]);
    expect(committer.progress).toMatchObject({ endLsn: 5n, partial: { commitLsn: 10n, ordinal: 3 } });
  });

  test('that is not written leaves the progress where it was', async () => {
    const failure = new RelayError('PUBLISH_UNCERTAIN', 'no answer');
    const { committer, steps } = scene(() => Promise.reject(failure));
    await expect(committer.commit(part(0, 3, null))).rejects.toBe(failure);
    expect([steps, committer.progress]).toEqual([['Kafka is given a part of 3'], claimed]);
  });
});

describe('a batch that Kafka does not confirm', () => {
  const failure = new RelayError('KAFKA_UNAVAILABLE', 'the connection was closed');

  test('acknowledges nothing, and leaves the progress where it was', async () => {
    const { committer, steps } = scene(() => Promise.reject(failure));
    await expect(committer.commit(filled())).rejects.toBe(failure);
    expect([steps, committer.progress]).toEqual([['Kafka is given 11, 8 events'], claimed]);
  });

  test('for its age is smaller the next time', async () => {
    const fenced = new RelayError('PRODUCER_FENCED', 'fenced');
    const expired = new RelayError('TRANSACTION_EXPIRED', 'expired', { cause: fenced });
    const { committer, steps } = scene(() => Promise.reject(expired));
    await expect(committer.commit(filled())).rejects.toMatchObject({
      code: 'TRANSACTION_EXPIRED',
      cause: fenced,
      context: { events: 1 },
    });
    expect(steps.at(-1)).toBe('smaller next time');
  });
});
