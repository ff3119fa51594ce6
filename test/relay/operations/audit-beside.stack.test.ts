import pino from 'pino';
import { expect, test } from 'vitest';
import { waitFor } from '../../../harness/wait.ts';
import { createMetrics } from '../../../relay/observe/metrics.ts';
import { auditBeside } from '../../../relay/operations/audit-beside.ts';
import { openScene, type Scene } from '../audit/scene.ts';

async function metricOf(
  metrics: ReturnType<typeof createMetrics>,
  line: string,
): Promise<number | undefined> {
  const text = await metrics.registry.metrics();
  const found = text.split('\n').find((each) => each.startsWith(`outbox_relay_${line} `));
  return found === undefined ? undefined : Number(found.split(' ').at(-1));
}

/** Every second, in place of whole minutes. */
const often = ({ config }: Scene) => ({ ...config, audit: { ...config.audit, everyMinutes: 1 / 60 } });

test('a relay that streams runs the audit in a thread; before its first result there is no number, not a zero', async () => {
  await using scene = await openScene();
  const [there] = await scene.insert(2);
  await scene.writer.commit(scene.events(scene.record(there!)), await scene.progress());
  const metrics = createMetrics({ process: false });
  const ending = new AbortController();
  let isStreaming = false;
  const log = pino({ level: 'silent' });
  const auditing = auditBeside(
    { config: often(scene), log, metrics, isStreaming: () => isStreaming },
    ending.signal,
  );
  try {
    expect(await metricOf(metrics, 'audit_verified_timestamp_seconds')).toBeUndefined();
    expect(await metricOf(metrics, 'audit_findings{kind="missing"}')).toBeUndefined();
    isStreaming = true;
    await waitFor(
      async () => (await metricOf(metrics, 'audit_verified_timestamp_seconds')) !== undefined,
      'the audit',
      120_000,
    );
    expect(await metricOf(metrics, 'audit_findings{kind="missing"}')).toBe(1);
    expect(await metricOf(metrics, 'audit_findings{kind="leaked"}')).toBe(0);
    expect(await metricOf(metrics, 'audit_last_run_successful')).toBe(1);
  } finally {
    ending.abort();
    await auditing;
  }
});
