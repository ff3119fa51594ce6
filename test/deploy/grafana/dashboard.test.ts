/** The dashboard as a file. Its queries are asked of a real Prometheus in `panels.stack.test.ts`. */
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { dashboard, dashboardFile, dashboardJson } from '../../../deploy/grafana/dashboard.ts';
import { rows } from '../../../deploy/grafana/panels.ts';
import { documentedMetrics } from '../../../relay/observe/metrics.ts';
import { relayStates } from '../../../relay/observe/state.ts';

type Target = { readonly refId: string; readonly expr: string };
type Panel = {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description: string;
  readonly datasource: unknown;
  readonly targets: readonly Target[];
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
};

const { panels: all, ...rest } = JSON.parse(dashboardJson()) as { panels: Panel[]; id?: number } & Record<
  string,
  unknown
>;
const panels = all.filter(({ type }) => type !== 'row');

test('the file is that of the table: npm run docs brings it up to date', async () => {
  expect(await readFile(dashboardFile, 'utf8')).toBe(dashboardJson());
});

test('it imports anywhere: no id of its own, and no data source but the one that is chosen', () => {
  expect(rest.id ?? null).toBeNull();
  expect(rest.uid).toBe('outbox-relay');
  expect(rest.schemaVersion).toBeGreaterThanOrEqual(36);
  // biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana replaces it by the variable.
  const chosen = { type: 'prometheus', uid: '${datasource}' };
  for (const { datasource, title } of panels) expect(datasource, title).toEqual(chosen);
  const ids = all.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
});

test('no panel lies on another, and each row is full', () => {
  const taken = new Set<string>();
  for (const { title, gridPos } of all)
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        expect(x, title).toBeLessThan(24);
        expect(taken.has(`${x}/${y}`), `${title} at ${x}/${y}`).toBe(false);
        taken.add(`${x}/${y}`);
      }
  for (const row of rows)
    expect(row.panels.reduce((sum, { width = 6 }) => sum + width, 0) % 24, row.title).toBe(0);
});

test('every panel says what it shows, and every query is of the chosen slots', () => {
  expect(panels.length).toBeGreaterThan(40);
  for (const { title, description, targets } of panels) {
    expect(description, title).toMatch(/\.$/);
    for (const { expr } of targets)
      for (const [, name, selector] of expr.matchAll(/\b([a-zA-Z_]+)\{([^}]*)\}/g))
        expect(selector, `${title}: ${name}`).toContain('slot=~"$slot');
  }
});

test('every metric of the relay is on it, or there is a reason why not', () => {
  const reasons = {
    outbox_relay_build_info: 'shown as Versions',
    outbox_relay_state_changes_total: 'State of each relay shows them',
    outbox_relay_circuit_breaker_state: 'Failed attempts in a row shows the same',
    outbox_relay_slot_invalidated: 'the status of the slot is lost',
    outbox_relay_unpublished_rows_total: 'an alert',
    outbox_relay_kafka_markers_mended_total: 'an alert',
    outbox_relay_last_commit_timestamp_seconds: 'an alert',
    outbox_relay_hanging_transactions: 'an alert',
    outbox_relay_config_reloads_total: 'an alert',
    outbox_relay_config_last_reload_successful: 'an alert',
    outbox_relay_config_restart_needed: 'shown by status',
    outbox_relay_kafka_transaction_version: 'shown by status',
    outbox_relay_duty_last_success_timestamp_seconds: 'Failed duties',
    outbox_relay_audit_last_run_timestamp_seconds: 'an alert',
    outbox_relay_audit_last_run_successful: 'an alert',
    outbox_relay_cleanup_removed_partitions_total: 'Size of the outbox table shows what is left',
    outbox_relay_cleanup_removed_rows_total: 'as above',
    outbox_relay_cleanup_removed_bytes_total: 'as above',
    outbox_relay_cleanup_last_removal_timestamp_seconds: 'Age of the oldest row shows whether it works',
    outbox_relay_recovery_done_ratio: 'only while a relay recovers, which State of each relay shows',
    outbox_relay_recovery_time_left_seconds: 'as above',
    outbox_relay_in_flight_events: 'Memory for events',
    outbox_relay_cache_entries: 'Cache hits says whether it is enough',
    outbox_relay_encode_seconds: 'Latency by stage',
    outbox_relay_kafka_transaction_bytes: 'Bytes published',
    outbox_relay_rate_limit_bytes_per_second: 'Rate limit says whether one holds events up',
  };
  const text = JSON.stringify(dashboard());
  const missing = documentedMetrics()
    .map(({ name }) => name)
    .filter((name) => !new RegExp(`\\b${name}(?:_bucket)?\\{`).test(text) && !(name in reasons));
  expect(missing).toEqual([]);
});

test('the states of a relay have a colour and a number each', () => {
  const meanings = rows.flatMap((row) => row.panels).find(({ title }) => title === 'State of each relay')!
    .meanings!;
  expect(Object.values(meanings).map(({ text }) => text)).toEqual(relayStates);
});
