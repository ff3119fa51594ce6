/**
 * Owns the order of the test files: the longest start first, so that none of them runs on alone at the end. Vitest knows how
 * long a file takes once it has run it; a fresh clone, as in CI, knows only this list.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const root = join(import.meta.dirname, '../..');

/**
 * Most take twenty seconds and more on a quiet machine of two cores; the longest first. Those that wait most of the time,
 * for alerts and for a quota, run beside those that compute. Each has a process of its own, as vitest.config.ts says.
 */
export const longest = [
  'test/console/console.browser.test.ts',
  'test/relay/whole/exactly-once.stack.test.ts',
  'test/deploy/prometheus/alerts.stack.test.ts',
  'test/chaos/chaos.stack.test.ts',
  'test/relay/whole/failover.stack.test.ts',
  'test/relay/recover/recover-judgement.stack.test.ts',
  'test/relay/recover/unattended.stack.test.ts',
  'test/relay/session/lineage.stack.test.ts',
  'test/relay/whole/quota.stack.test.ts',
  'test/console/whole/keyboard.browser.test.ts',
  'test/relay/whole/outage.stack.test.ts',
  'test/build/main.stack.test.ts',
  'test/simulate/kafka/transaction.kafka.test.ts',
  'test/relay/replay/replay.stack.test.ts',
  'test/relay/recover/recover.stack.test.ts',
  'test/security/secured.stack.test.ts',
  'test/relay/whole/path.stack.test.ts',
  'test/demo/demo.stack.test.ts',
  'test/relay/commands/dead-letters.stack.test.ts',
  'test/relay/whole/parked-keys.stack.test.ts',
  'test/relay/audit/standing/standing.stack.test.ts',
  'test/relay/whole/pause.stack.test.ts',
  'test/relay/replay/replay-range.stack.test.ts',
  'test/relay/operations/find-event/find-event.stack.test.ts',
  'test/relay/whole/lifecycle.stack.test.ts',
  'test/console/whole/repair.browser.test.ts',
  'test/relay/capture/capture.pg.test.ts',
  'test/relay/stream/streaming-faults.stack.test.ts',
  'test/security/oauth.stack.test.ts',
  'test/console/whole/withstands.browser.test.ts',
  'test/relay/publish/lean/lean-publisher-cluster.kafka.test.ts',
  'test/relay/recover/unreadable.stack.test.ts',
  'test/relay/whole/row-security.stack.test.ts',
  'test/relay/publish/publisher.kafka.test.ts',
  'test/relay/whole/cleanup.stack.test.ts',
  'test/simulate/simulate.slow.test.ts',
  'test/relay/whole/standbys.stack.test.ts',
  'test/relay/whole/large-rows.stack.test.ts',
  'test/code.slow.test.ts',
  'test/bench/bench.stack.test.ts',
  'test/hostile/hostile.stack.test.ts',
];

const paths = longest.map((file) => join(root, file));

const missing = paths.filter((file) => !existsSync(file));
if (missing.length > 0) throw new Error(`no such test, in longest-first.ts: ${missing.join(', ')}`);

export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const rank = ({ moduleId }: TestSpecification) => {
      const place = paths.indexOf(moduleId);
      return place === -1 ? paths.length : place;
    };
    return sorted.toSorted((a, b) => rank(a) - rank(b));
  }
}
