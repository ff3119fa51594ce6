/**
 * Asks a real Prometheus every query of the dashboard, after it scraped relays that were under load and met trouble: none is
 * an error, and none is empty but for those that say why.
 */
import { writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { rows } from '../../../deploy/grafana/panels.ts';
import { type Drawn, picture } from '../../../deploy/grafana/picture.ts';
import { type Labels, query, queryRange } from '../../../harness/prometheus.ts';
import { startPrometheus } from '../../../stack/prometheus.ts';
import { programsOrSkip } from '../../support/prometheus.ts';
import { Traffic } from './traffic.ts';

/** Grafana takes four scrapes at least. */
const [intervalMs, rateInterval] = [500, '4s'];

const filled = (expr: string, slot: string) =>
  expr.replaceAll('$__rate_interval', rateInterval).replaceAll('$slot', slot);

test('every query of the dashboard has a result', async (context) => {
  await programsOrSkip(context);
  await using prometheus = await startPrometheus({ intervalMs });
  await using traffic = await Traffic.start();
  await prometheus.scrape(traffic.targets);

  const queries = rows.flatMap(({ panels }) =>
    panels.flatMap(({ title, queries }) => queries.map((each) => ({ ...each, title }))),
  );
  // Each is asked until it had a result once: trouble that is over is no longer in a rate.
  let pending = queries;
  const ask = async () => {
    const found = await Promise.all(
      pending.map(async ({ expr }) => {
        const result = await query(prometheus.url, filled(expr, traffic.slot));
        return result.some(({ value }) => !Number.isNaN(value));
      }),
    );
    pending = pending.filter((_, index) => !found[index]);
    return pending
      .filter(({ mayBeEmpty }) => mayBeEmpty === undefined)
      .map(({ title, expr }) => `${title}: ${expr}`);
  };
  // Trouble before the first scrape would be in no rate.
  const scraped = async () => (await query(prometheus.url, 'up == 1')).length;
  await expect.poll(scraped, { interval: 100 }).toBe(traffic.targets.length);
  await traffic.refuse();
  await traffic.disturb();
  await expect.poll(ask, { timeout: 60_000, interval: 500 }).toEqual([]);
});

test.runIf(process.env.DASHBOARD_PICTURE !== undefined)(
  'the picture of the docs, of two minutes with trouble',
  async () => {
    await using prometheus = await startPrometheus({ intervalMs });
    await using traffic = await Traffic.start({ topics: 'shop', slot: 'orders' });
    await prometheus.scrape(traffic.targets);
    const fromSeconds = Date.now() / 1_000 + 5;
    const waitUntil = (seconds: number) => delay((fromSeconds + seconds) * 1_000 - Date.now());
    await waitUntil(25);
    await traffic.refuse();
    await waitUntil(50);
    await traffic.disturb();
    await waitUntil(80);
    await traffic.takeOver();
    await waitUntil(pictureSeconds);
    const range = { fromSeconds, toSeconds: fromSeconds + pictureSeconds, stepSeconds: 2 };
    const results = new Map<string, Drawn[]>();
    for (const { title, panels } of rows)
      for (const panel of panels) {
        const drawn = await Promise.all(
          panel.queries.map(async ({ expr, legend }) => {
            const series = await queryRange(prometheus.url, filled(expr, '.*'), range);
            return series.map(({ labels, points }) => ({ name: named(legend, labels), points }));
          }),
        );
        results.set(`${title}/${panel.title}`, drawn.flat());
      }
    const svg = picture((row, panel) => results.get(`${row}/${panel}`) ?? [], range);
    await writeFile(new URL('../../../docs/guides/dashboard.svg', import.meta.url), svg);
  },
);

const pictureSeconds = 120;
const named = (legend: string, labels: Labels) =>
  legend.replace(/\{\{(\w+)\}\}/g, (_, label: string) => labels[label] ?? '').trim();
