import { expect, test } from 'vitest';
import { inWords } from '../../../../../console/web/screens/settings/in-words.ts';

test.each([
  ['slot.walDiskBytes', '68719476736', '64 GiB'],
  ['publish.maxRecordBytes', '1023', null],
  ['retry.maxDelayMs', '15000', '15 s'],
  ['publish.lingerMs', '5', null],
  ['publish.maxBytesPerSecond', '1048576', '1 MiB/s'],
  ['audit.everyMinutes', '90', null],
  ['slot.name', '100000', null],
  ['slot.walDiskBytes', '', null],
  ['kafka.transactionTimeoutMs', '***', null],
])('%s of %s is shown as %s', (key, value, words) => {
  expect(inWords(key, value)).toBe(words);
});
