/** Which commands the rights of outbox_operator are for. */
import { expect, test } from 'vitest';
import { isForOperators } from '../../../relay/operations/operator-work.ts';

test.each([
  ['dead-letters list', [], true],
  ['pause', ['--json'], true],
  ['cleanup', ['--dry-run'], true],
  ['cleanup', [], false],
  ['audit', ['--once'], false],
  ['run', [], false],
])('%s with %j: %s', (command, flags, expected) => {
  expect(isForOperators(command, new Set(flags))).toBe(expected);
});
