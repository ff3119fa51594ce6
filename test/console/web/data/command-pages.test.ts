import { expect, test } from 'vitest';
import { pageOf } from '../../../../console/web/data/command-pages.ts';

test.each([
  ['outbox-relay check', '/database#check'],
  ['outbox-relay verify', '/audit'],
  ['outbox-relay status', '/'],
  ['outbox-relay resume', '/settings?open=resume'],
  ['outbox-relay resume --topic shop.order', '/settings?open=resume+shop.order'],
  ['outbox-relay resume --topic …', '/settings'],
  ['outbox-relay rate-limit --events none --bytes none', '/settings?open=rate-limit'],
  ['outbox-relay dead-letters show 0000000000001000.00000002', '/dead-letters/0000000000001000.00000002'],
  ['dead-letters release', '/parked-keys'],
])('leads from %s to its page', (command, path) => {
  expect(pageOf(command)?.path).toBe(path);
});

test.each([
  'outbox-relay recover',
  'outbox-relay run',
  'outbox-relay migrate --roles',
  'outbox-relay verify --since 1h',
  'outbox-relay schemas test',
  'publish.maxEventsPerSecond',
  'ALTER PUBLICATION … SET TABLE outbox.event',
])('leaves %s as it is', (text) => {
  expect(pageOf(text)).toBeUndefined();
});
