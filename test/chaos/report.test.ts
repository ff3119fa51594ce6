import { expect, test } from 'vitest';
import type { Producer } from '../../chaos/fault.ts';
import { document } from '../../chaos/report.ts';
import type { Outcome, RunResult } from '../../chaos/run.ts';

const outcome = (fault: string): Outcome => ({
  faults: [fault],
  recoveredMs: 1_200,
  haltedWith: null,
  breaches: [],
  crashes: [],
  tookMs: 3_000,
  logFile: '',
});

const run = (producer: Producer, ...faults: string[]): RunResult => ({
  seed: 1,
  producer,
  transactionVersion: '1',
  calmMs: 1_000,
  events: 10,
  outcomes: faults.map(outcome),
});

test('a run replaces the table of its producer and keeps the other one', () => {
  const first = document('', run('kafkajs', 'killed'), 2);
  const both = document(first, run('lean', 'stopped', 'stopped', 'paused'), 3);
  expect(both).toContain('| stopped | 2 | 1.2 s | 1.2 s |  | all held |');
  expect(both).toContain('| killed | 1 |');
  expect(both.indexOf('paused')).toBeLessThan(both.indexOf('--seed 1 --producer kafkajs --docs'));
  const again = document(both, run('lean', 'frozen'), 4);
  expect(again).not.toContain('stopped');
  expect(again).toContain('| killed | 1 |');
  expect(again.match(/I9/g)).toHaveLength(1);
});
