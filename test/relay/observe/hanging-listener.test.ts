import { pino } from 'pino';
import { expect, test } from 'vitest';
import type { HangingTransaction } from '../../../relay/model/hanging-transaction.ts';
import { logHanging, measureHanging } from '../../../relay/observe/hanging-listener.ts';
import { createMetrics } from '../../../relay/observe/metrics.ts';

const hanging: HangingTransaction = {
  topic: 'orders',
  partition: 2,
  offset: '41',
  standingMs: 95_000,
  owner: 'relay',
  producerId: '7001',
};
const blocked = { topic: 'orders', blockedMs: 95_000 };
const free = { topic: 'orders', blockedMs: 0 };

function record() {
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  return { lines, hear: logHanging(log) };
}

test('the log says once that a transaction hangs, whose it is and that it must not be aborted, and when it is over', () => {
  const { lines, hear } = record();
  hear({ topics: [blocked], hanging: [hanging] });
  hear({ topics: [blocked], hanging: [{ ...hanging, standingMs: 110_000 }] });
  hear({ topics: [], hanging: [] }); // nothing was seen
  hear({ topics: [free], hanging: [] });
  hear({ topics: [free], hanging: [] });
  expect(lines).toMatchObject([
    { level: 40, topic: 'orders', partition: 2, offset: '41', producerId: '7001', owner: 'relay' },
    { level: 30, topic: 'orders', partition: 2, offset: '41' },
  ]);
  expect(lines[0]!.msg).toMatch(/A relay wrote it: do not abort it/);
});

test('what was learned of the owner is said', () => {
  const { lines, hear } = record();
  hear({ topics: [blocked], hanging: [{ ...hanging, owner: 'unknown', producerId: null }] });
  hear({ topics: [blocked], hanging: [{ ...hanging, owner: 'other' }] });
  expect(lines.map(({ owner }) => owner)).toEqual(['unknown', 'other']);
});

test('topic_blocked_seconds and hanging_transactions have what was seen, and 0 for what is over', async () => {
  const metrics = createMetrics({ process: false });
  const hear = measureHanging(metrics);
  const text = async () =>
    (await metrics.registry.metrics())
      .split('\n')
      .filter((line) => /^outbox_relay_(topic_blocked|hanging)/.test(line));
  hear({
    topics: [blocked, { topic: 'mail', blockedMs: 0 }],
    hanging: [hanging, { ...hanging, partition: 3 }],
  });
  expect(await text()).toEqual([
    'outbox_relay_topic_blocked_seconds{topic="orders"} 95',
    'outbox_relay_topic_blocked_seconds{topic="mail"} 0',
    'outbox_relay_hanging_transactions{topic="orders",owner="relay"} 2',
  ]);
  hear({ topics: [{ topic: 'mail', blockedMs: 0 }], hanging: [] });
  expect(await text()).toEqual(['outbox_relay_topic_blocked_seconds{topic="mail"} 0']);
  hear({ topics: [free], hanging: [] });
  expect(await text()).toEqual([
    'outbox_relay_topic_blocked_seconds{topic="orders"} 0',
    'outbox_relay_hanging_transactions{topic="orders",owner="relay"} 0',
  ]);
});
