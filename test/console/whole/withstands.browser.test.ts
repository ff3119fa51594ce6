/**
 * What the console withstands, in a real browser: visitors who may not, pages of others, reverse proxies, and a hundred
 * thousand dead letters.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ConsoleProcess } from '../../../harness/console.ts';
import { settingsEnv } from '../../../harness/relay-process.ts';
import { freePort } from '../../../stack/port.ts';
import { ConsoleWorld, looks, takePicture } from '../console-world.ts';
import { ReverseProxy } from '../reverse-proxy.ts';

let desk: ConsoleWorld;
const lettersCount = 100_000;
/** Of other causes, one each. */
const causesCount = 700;
const wanted = 'key <b>77777</b>';

beforeAll(async () => {
  desk = await ConsoleWorld.create();
  const { pool, slot, topic } = desk.world;
  await pool.query(
    `insert into outbox.progress (slot, initialised_at, end_lsn) values ($1, now(), '0/FFFFFFF')`,
    [slot],
  );
  await pool.query(
    `insert into outbox.dead_letter
       (slot, commit_lsn, ordinal, event_id, aggregatetype, aggregateid, type, payload, topic, code, message, path)
     select $1, '0/1000'::pg_lsn + n, 0, gen_random_uuid(), 'item', case n when 77777 then $4 else 'key ' || n % 5000 end,
            case when n <= $2 then 'test.ItemMoved' else 'test.Cause' || n end,
            '{"key":"k","seq":"two"}', $3, 'PAYLOAD_INVALID', 'expected long, found string', '$.seq'
       from generate_series(1, $2::int + $5) as n`,
    [slot, lettersCount, topic, wanted, causesCount],
  );
  await pool.query('analyze outbox.dead_letter');
});
afterAll(() => desk?.[Symbol.asyncDispose]());

/** What is changed by people, all of it. */
const done = async () =>
  (await desk.world.pool.query('select count(*)::int as n from outbox.trail')).rows[0].n;

/** Asks the API from within a page, as its own scripts do, or those of somebody else. */
const askFrom = (page: Page, url: string, init: object = {}) =>
  page.evaluate(
    ([address, options]) =>
      fetch(address, options).then(
        async (answer) => ({ status: answer.status, text: await answer.text() }),
        () => ({ status: 0, text: '' }),
      ),
    [url, init] as const,
  );
const pausing = {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ topic: null, mode: 'hold', forSeconds: null, reason: 'forged' }),
};

describe('a visitor', () => {
  test('who has not signed in sees the form on every screen, and gets no data', async () => {
    await using tab = await desk.open();
    const { page } = tab;
    for (const path of ['/', '/dead-letters/list?keys=k', '/settings', '/database']) {
      await page.goto(`${desk.served.url}${path}`);
      await page.getByLabel('Token').waitFor();
      expect(await page.getByRole('navigation').count()).toBe(0);
    }
    for (const path of ['me', 'live', 'settings', 'dead-letters', 'find?by=id&value=x']) {
      const { status, text } = await askFrom(page, `api/${path}`);
      expect([status, JSON.parse(text).code]).toEqual([401, 'NOT_SIGNED_IN']);
    }
    expect(await askFrom(page, 'api/control/pause', pausing)).toMatchObject({ status: 401 });
    expect(await done()).toBe(0);
  });

  test('who may only look finds nothing to press, and is refused when the page is made to ask', async () => {
    await using tab = await desk.open();
    const { page } = tab;
    await desk.signIn(page, 'view', 'viv');
    const acting: Readonly<Record<string, readonly string[]>> = {
      '/dead-letters/list': ['Resubmit', 'Discard'],
      '/dead-letters/0000000000001001.00000000': ['Edit the payload', 'Resubmit', 'Discard'],
      '/settings': ['Pause'],
      '/audit': ['Verify'],
      '/database': ['Check now', 'Preview cleanup'],
    };
    for (const [path, names] of Object.entries(acting)) {
      await page.goto(`${desk.served.url}${path}`);
      for (const name of names) {
        const button = page.locator('main').getByRole('button', { name }).first();
        await button.waitFor();
        expect(await button.isDisabled(), `${name} of ${path}`).toBe(true);
      }
    }
    await page.goto(`${desk.served.url}/settings`);
    const pause = page.getByRole('button', { name: 'Pause' }).first();
    await pause.click({ force: true });
    await pause.press('Enter');
    expect(await page.getByRole('dialog').count()).toBe(0);
    const refused = await askFrom(page, 'api/control/pause', pausing);
    expect([refused.status, JSON.parse(refused.text).code]).toEqual([403, 'NOT_ALLOWED']);
    expect(await done()).toBe(0);
  });

  test('who is signed in and opens a page of somebody else: that reads nothing and changes nothing', async () => {
    await using tab = await desk.open();
    const { page, context } = tab;
    await desk.signIn(page);
    const evil = createServer((_, answer) =>
      answer.setHeader('content-type', 'text/html').end('<h1>evil</h1>'),
    );
    evil.listen(0);
    await once(evil, 'listening');
    try {
      const { port } = evil.address() as AddressInfo;
      // The other port is another origin of the same site, to which the browser sends the cookie; the other name is another site.
      for (const host of ['127.0.0.1', 'localhost']) {
        const other = await context.newPage();
        await other.goto(`http://${host}:${port}`);
        const { url } = desk.served;
        for (const path of ['me', 'settings', 'live'])
          for (const mode of ['cors', 'no-cors'])
            expect(
              await askFrom(other, `${url}/api/${path}`, { credentials: 'include', mode }),
            ).toMatchObject({ text: '' });
        const ways = [
          pausing,
          { ...pausing, headers: { 'content-type': 'text/plain' } },
          { ...pausing, headers: { 'content-type': 'text/plain' }, mode: 'no-cors' },
        ];
        for (const way of ways)
          expect(
            await askFrom(other, `${url}/api/control/pause`, { credentials: 'include', ...way }),
          ).toMatchObject({ text: '' });
        // A form sends without being asked first.
        const posted = other.waitForResponse((answer) => answer.url().endsWith('/api/control/pause'));
        const [name, value] = [pausing.body.slice(0, -1), '}'];
        await other.evaluate(`{
          const form = document.createElement('form');
          Object.assign(form, { method: 'post', action: ${JSON.stringify(`${url}/api/control/pause`)}, enctype: 'text/plain' });
          form.append(Object.assign(document.createElement('input'), ${JSON.stringify({ name, value })}));
          document.body.append(form);
          form.submit();
        }`);
        expect((await posted).status()).toBe(403);
        const framing = await context.newPage();
        await framing.goto(`http://${host}:${port}`);
        await framing.evaluate(
          `document.body.append(Object.assign(document.createElement('iframe'), { src: ${JSON.stringify(url)} }))`,
        );
        const frame = framing.frames()[1];
        await frame?.waitForLoadState().catch(() => {});
        expect(await frame?.getByRole('navigation').count()).toBe(0);
      }
    } finally {
      evil.close();
      evil.closeAllConnections();
    }
    expect(await done()).toBe(0);
  });
});

describe('behind a reverse proxy that names the person, the console', () => {
  const prefix = '/tools/outbox/';
  const grafana = 'https://grafana.example/d/relay';
  let served: ConsoleProcess;

  beforeAll(async () => {
    served = await ConsoleProcess.start({
      env: {
        ...desk.world.env,
        ...settingsEnv({
          CONSOLE_PORT: await freePort(),
          CONSOLE_PATH_PREFIX: prefix,
          CONSOLE_USER_HEADER: 'X-Forwarded-User',
          CONSOLE_OPERATORS: 'anna',
          CONSOLE_GRAFANA_URL: grafana,
        }),
      },
    });
  });
  afterAll(() => served?.stop());

  test.each([
    ['strips the path', true],
    ['passes the path on', false],
  ])('works where it %s', async (_, strips) => {
    const target = new URL(served.url);
    const headers = { 'x-forwarded-user': 'anna' };
    await using proxy = await ReverseProxy.open({ target, prefix, strips, headers });
    await using tab = await desk.open();
    const { page, errors } = tab;
    await page.goto(`${proxy.url}/dead-letters/list?keys=key+7`);
    await page.getByText('anna · may act').waitFor();
    const screens = page.getByRole('navigation', { name: 'Screens' });
    expect(await screens.getByRole('link', { name: 'Grafana' }).getAttribute('href')).toBe(grafana);
    const rows = page.locator('main table tbody tr');
    await rows.first().waitFor();
    await rows.first().getByRole('link').click();
    await page.getByRole('textbox', { name: 'Payload' }).waitFor();
    const letter = page.url();
    expect(letter).toMatch(new RegExp(`^${proxy.url}/dead-letters/[0-9a-f.]+$`));
    await page.reload();
    await page.getByRole('textbox', { name: 'Payload' }).waitFor();
    const opened = page.waitForResponse((answer) => answer.url() === `${proxy.url}/api/live`);
    await screens.getByRole('link', { name: 'Settings' }).click();
    await page.reload();
    await opened;
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('dialog').getByLabel('Reason').fill('try');
    await page.keyboard.press('Escape');
    await page.waitForURL(`${proxy.url}/settings`);
    expect(errors).toEqual([]);
    expect(proxy.strays).toEqual([]);
  });
});

describe('a hundred thousand dead letters', () => {
  /** How long the server took for the last answer of that path, in ms. */
  const tookMs = (page: Page, path: string) =>
    page.evaluate<number>(`{
      const asked = performance.getEntriesByType('resource').filter(({ name }) => name.includes('${path}'));
      const { requestStart, responseEnd } = asked.at(-1);
      Math.round(responseEnd - requestStart);
    }`);
  /** 300 ms on a quiet machine. */
  const longestMs = 3_000;
  const all = `${(lettersCount + causesCount).toLocaleString('en-US')} dead letters`;

  test('are grouped, listed, filtered and paged with the keyboard alone', async ({ annotate }) => {
    await using tab = await desk.open();
    const { page, errors } = tab;
    await desk.signIn(page);
    errors.length = 0;
    const took: Record<string, number> = {};
    // Again, where the page did not listen yet.
    await expect
      .poll(async () => {
        for (const key of ['g', 'd']) await page.keyboard.press(key);
        return new URL(page.url()).pathname;
      })
      .toBe('/dead-letters');
    const causes = page.getByRole('region', { name: 'Causes' });
    await causes.getByText(all).waitFor();
    await causes.getByText('701 causes').waitFor();
    // More than a person looks through: the smaller ones are counted.
    await causes.getByText('201 smaller causes').waitFor();
    expect(await causes.getByRole('listitem').count()).toBe(500);
    took.groups = await tookMs(page, '/dead-letters/groups');
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    const list = page.getByRole('region', { name: 'List' });
    const pages = page.getByRole('navigation', { name: 'Pages' });
    await pages.getByText('50 of 100,000').waitFor();
    took.list = await tookMs(page, '/dead-letters?');
    expect(await list.getByRole('row').count()).toBe(51);

    await page.keyboard.press('/');
    await page.keyboard.type(wanted);
    await page.keyboard.press('Enter');
    await pages.getByText('All 1').waitFor();
    took.key = await tookMs(page, '/dead-letters?');
    // As text.
    expect(await list.getByText(wanted).count()).toBe(1);
    expect(await list.locator('b').count()).toBe(0);
    await page.getByRole('button', { name: 'Remove the condition key' }).press('Enter');
    await pages.getByText('50 of 100,000').waitFor();
    for (let count = 0; count < 3; count++) {
      const first = await list.getByRole('link').first().textContent();
      await pages.getByRole('button', { name: 'Next page' }).press('Enter');
      await expect.poll(() => list.getByRole('link').first().textContent()).not.toBe(first);
    }
    // As deep as it goes, by its address.
    const deep = new URL(page.url());
    deep.searchParams.set('after', `${(0x1000 + lettersCount - 10).toString(16).padStart(16, '0')}.00000000`);
    await page.goto(deep.href);
    await pages.getByText('10 of 100,000, on a later page').waitFor();
    took.deep = await tookMs(page, '/dead-letters?');
    await takePicture(page, 'hundred-thousand', false);
    expect(errors).toEqual([]);
    await annotate(
      Object.entries(took)
        .map(([what, ms]) => `${what} ${ms} ms`)
        .join(', '),
    );
    for (const [what, ms] of Object.entries(took)) expect(ms, what).toBeLessThan(longestMs);
  });

  test.each(looks.filter(([name]) => name !== 'dark'))(
    'are listed before what is known of their cause, which then moves nothing, %s',
    async (_, options) => {
      await using tab = await desk.open(options);
      const { page } = tab;
      await desk.signIn(page);
      const listed = Promise.withResolvers<void>();
      await page.route('**/api/dead-letters/outlook?*', async (route) => {
        await listed.promise;
        await route.continue();
      });
      await page.goto(`${desk.served.url}/dead-letters/list?codes=PAYLOAD_INVALID&types=test.ItemMoved`);
      const list = page.getByRole('region', { name: 'List' });
      await list.getByRole('row').nth(50).waitFor();
      const known = page.getByText('The last one came');
      expect(await known.count()).toBe(0);
      const before = await list.boundingBox();
      listed.resolve();
      await known.waitFor();
      await page.getByText(/value there: /).waitFor();
      expect(await list.boundingBox()).toEqual(before);
    },
  );

  test('are fixed together with progress, and what is cancelled says how far it came', async () => {
    await using tab = await desk.open();
    const { page } = tab;
    await desk.signIn(page);
    await page.goto(`${desk.served.url}/dead-letters/patch?codes=PAYLOAD_INVALID&types=test.ItemMoved`);
    await page.getByLabel('Field', { exact: true }).fill('seq');
    await page.getByLabel('Kind').selectOption('number');
    await page.getByLabel('Value').fill('9007199254740993');
    await page.getByRole('button', { name: 'Preview' }).click();
    await page.getByText('would be published').first().waitFor();
    // A hundred thousand are not drawn.
    expect(await page.getByRole('region', { name: 'Preview' }).getByRole('listitem').count()).toBeLessThan(
      51,
    );
    await page.getByRole('button', { name: 'Fix all with it' }).click();
    await page.getByRole('dialog').getByLabel('Reason').fill('all of them');
    await page.getByRole('dialog').getByRole('button', { name: 'Fix all with it' }).click();
    await page.getByText(/^fixing: [\d,]+ of 100,000$/).waitFor();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.locator('.badge', { hasText: 'cancelled' }).waitFor();
    const { rows } = await desk.world.pool.query(
      `select (select count(*)::int from outbox.dead_letter where payload like '%9007199254740993%') as fixed,
              (select count(*)::int from outbox.trail where action = 'fix' and person = 'anna') as noted`,
    );
    const [{ fixed, noted }] = rows;
    expect(fixed).toBeLessThan(lettersCount);
    expect(noted).toBe(fixed);
    await page.locator('.job-result').getByText(fixed.toLocaleString('en-US')).first().waitFor();
  });
});
