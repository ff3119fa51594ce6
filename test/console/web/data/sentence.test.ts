import { expect, test } from 'vitest';
import { sentence } from '../../../../console/web/data/sentence.ts';

test.each([
  ['connecting to Kafka: read ECONNRESET', 'Connecting to Kafka: read ECONNRESET.'],
  ['The console does not answer.', 'The console does not answer.'],
  // Names stay as they are.
  ['console.port is in use', 'console.port is in use.'],
  ['max_slot_wal_keep_size is -1', 'max_slot_wal_keep_size is -1.'],
  ['topicsAllowed is empty', 'topicsAllowed is empty.'],
])('%s becomes %s', (message, text) => {
  expect(sentence(message)).toBe(text);
});
