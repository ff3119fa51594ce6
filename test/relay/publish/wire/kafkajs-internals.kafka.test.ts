import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import type { RequestQueue } from '../../../../relay/publish/wire/kafkajs-internals.ts';
import { Wire } from '../../../../relay/publish/wire/kafkajs-wire.ts';
import { createTopic, kafkaClient } from '../../../support/kafka.ts';

const require = createRequire(import.meta.url);

test('kafkajs is pinned to the release whose internals are used, and is that one', async () => {
  const own = JSON.parse(await readFile('package.json', 'utf8'));
  expect(own.dependencies.kafkajs).toBe('2.2.4');
  const installed: { version: string } = require('kafkajs/package.json');
  expect(installed.version).toBe('2.2.4');
});

test('everything that is used of its internals is there', async () => {
  const topic = await createTopic('wire', 2);
  const wire = await Wire.open(await kafkaClient(), [topic]);
  try {
    const leader = await wire.leader(topic, 1);
    const [connection] = leader.connectionPool.pool;
    const methods = [
      connection.isConnected,
      connection.isAuthenticated,
      connection.authenticate,
      connection.nextCorrelationId,
      connection.rejectRequests,
      connection.requestQueue.push,
      connection.requestQueue.maybeThrottle,
      leader.findGroupCoordinator,
      leader.initProducerId,
      leader.listOffsets,
    ];
    for (const method of methods) expect(method).toBeTypeOf('function');
    expect(connection.clientId).toBe('test');
    expect(connection.socket?.writable).toBe(true);
    expect(leader.versions[0]?.maxVersion).toBeGreaterThanOrEqual(7);
    expect(connection.isConnected()).toBe(true);
  } finally {
    await wire.close();
  }
});

test('a connection on which nothing waits sets no timer to look for it', async () => {
  const topic = await createTopic('wire', 1);
  const wire = await Wire.open(await kafkaClient(), [topic]);
  try {
    const leader = await wire.leader(topic, 0);
    await leader.listOffsets({ topics: [{ topic, partitions: [{ partition: 0, timestamp: -2 }] }] });
    const [connection] = leader.connectionPool.pool;
    const queue = connection.requestQueue as unknown as RequestQueue;
    expect(queue.pending).toHaveLength(0);
    expect(queue.throttleCheckTimeoutId).toBeNull();
  } finally {
    await wire.close();
  }
});

test('a request that is throttled is sent once the throttle is over', async () => {
  const topic = await createTopic('wire', 1);
  const wire = await Wire.open(await kafkaClient(), [topic]);
  try {
    const leader = await wire.leader(topic, 0);
    const { requestQueue } = leader.connectionPool.pool[0];
    requestQueue.maybeThrottle(300);
    const startMs = performance.now();
    await leader.listOffsets({ topics: [{ topic, partitions: [{ partition: 0, timestamp: -2 }] }] });
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(290);
  } finally {
    await wire.close();
  }
});
