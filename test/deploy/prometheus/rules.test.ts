/** What can be said of the alert rules by reading them. Prometheus itself judges them in `rules.prometheus.test.ts`. */

import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { placeOf } from '../../../deploy/place.ts';
import { documentedMetrics } from '../../../relay/observe/metrics.ts';
import { alertsOf, folder, hastened, rulesText } from './rules.ts';

const text = await rulesText();
const alerts = alertsOf(text);
const place = placeOf(await readFile(join(folder, '../../package.json'), 'utf8'));
const runbook = await readFile(join(folder, '../../docs/guides/alerts.md'), 'utf8');
const unitTests = (
  await Promise.all(
    globSync('*.test.yaml', { cwd: folder }).map((name) => readFile(join(folder, name), 'utf8')),
  )
).join('\n');

test('every alert says how urgent it is, what happened with its values, and where to read what to do', () => {
  expect(alerts.length).toBeGreaterThan(10);
  for (const { alert, labels, annotations } of alerts) {
    expect(['critical', 'warning'], alert).toContain(labels?.severity);
    expect(annotations?.summary, alert).toMatch(/^[A-Z]/);
    expect(annotations?.description, alert).toMatch(/\.$/);
    const page = `https://github.com/${place}/blob/main/docs/guides/alerts.md`;
    expect(annotations?.runbook_url).toBe(`${page}#${alert.toLowerCase()}`);
  }
});

test('every alert has a section of the runbook, with its urgency, and every section has an alert', () => {
  const sections = [...runbook.matchAll(/^## (Outbox\w+)\n(.*?)(?=^## |$(?![\s\S]))/gms)];
  expect(sections.map(([, name]) => name)).toEqual(alerts.map(({ alert }) => alert));
  for (const [, name, section] of sections) {
    const severity = alerts.find(({ alert }) => alert === name)!.labels!.severity;
    expect(section, name).toContain(`*${severity}*`);
    for (const part of ['**Means.**', '**Look at.**', '**Do.**', '**Do not.**'])
      expect(section, `${name} ${part}`).toContain(part);
  }
});

test('every alert has a unit test in which it fires', () => {
  for (const { alert } of alerts)
    expect(unitTests, alert).toContain(`ALERTS{alertname="${alert}",alertstate="firing",`);
});

test('the rules and their unit tests name only metrics and labels that exist', () => {
  const known = documentedMetrics();
  for (const [sample, name, labels] of `${text}${unitTests}`.matchAll(
    /(?<!:)\boutbox_relay_([a-z_]+)(?:\{([^}]*)\})?/g,
  )) {
    const metric = known.find((each) => [each.name, `${each.name}_bucket`].includes(`outbox_relay_${name}`));
    expect(metric, sample).toBeDefined();
    for (const [, label] of (labels ?? '').matchAll(/(\w+)=/g))
      expect(['slot', 'instance', 'le', ...metric!.labels], sample).toContain(label);
  }
});

test('a hastened copy has its times divided and its borders replaced, and nothing else is changed', () => {
  const rules = (expr: string, time: string) =>
    JSON.stringify({ groups: [{ name: 'g', rules: [{ alert: 'A', expr, for: time }] }] });
  const slow = rules('rate(a_5m[10m] offset 1h) > 60', '2m');
  const faster = hastened(slow, { speed: 120, holdMaxMs: 1_000 }, { A: ['> 60', '> 2'] });
  expect(alertsOf(faster)).toEqual(alertsOf(rules('rate(a_5m[5000ms] offset 30000ms) > 2', '1000ms')));
  const brief = hastened(slow, { speed: 120, holdMaxMs: 200 }, {});
  expect(alertsOf(brief)[0]!.for).toBe('200ms');
});

test('a border that is not in the rule is an error: it would test something else', () => {
  expect(() => hastened(text, { speed: 120, holdMaxMs: 0 }, { OutboxRelayLagging: ['> 61', '> 2'] })).toThrow(
    'OutboxRelayLagging has no > 61',
  );
  expect(() => hastened(text, { speed: 120, holdMaxMs: 0 }, { OutboxRelayLaging: ['> 60', '> 2'] })).toThrow(
    'no alerts OutboxRelayLaging',
  );
});
