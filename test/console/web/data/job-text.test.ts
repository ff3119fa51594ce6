/** How far long work is. */
import { expect, test } from 'vitest';
import { progressText } from '../../../../console/web/data/job-text.ts';

test('a progress says what it counts, as far as it is known', () => {
  expect(progressText({ done: 0, total: null, phase: 'starting' })).toBe('starting');
  expect(progressText({ done: 1_200, total: null, phase: 'reading the table' })).toBe(
    'reading the table: 1,200',
  );
  expect(progressText({ done: 3, total: 40, phase: 'checking' })).toBe('checking: 3 of 40');
});
