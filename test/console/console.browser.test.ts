/**
 * The console as a person meets it: in a real browser, as its own process without the right to write a file, with an
 * operator's role in Postgres, beside a real relay.
 */
import type { Locator, Page, Request } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { axeViolations } from '../../harness/axe.ts';
import type { RelayProcess } from '../../harness/relay-process.ts';
import { ConsoleWorld, looks, openScreens, settled, takePicture, tokens } from './console-world.ts';

let desk: ConsoleWorld;
let relay: RelayProcess;

beforeAll(async () => {
  desk = await ConsoleWorld.create({}, async (world) => {
    relay = world.startRelay();
    await relay.streaming();
  });
  await desk.world.write(Array.from({ length: 200 }, (_, seq) => ({ key: `key ${seq % 20}`, seq })));
});
afterAll(() => desk?.[Symbol.asyncDispose]());

const streaming = (page: Page) => page.locator('.verdict .badge', { hasText: 'streaming' });
const stale = (page: Page) => page.locator('.freshness');

/** Sums the shifts of the layout that no input of a person explains. */
const observeShifts = `
  window.shifted = 0;
  new PerformanceObserver((list) => {
    for (const { value, hadRecentInput } of list.getEntries()) if (!hadRecentInput) window.shifted += value;
  }).observe({ type: 'layout-shift', buffered: true });`;

describe('a browser without a locale, whose language is', () => {
  test.each(['', 'en-US@posix'])('"%s", shows the charts', async (language) => {
    await using tab = await desk.open();
    const { page, errors, context } = tab;
    await context.addInitScript(
      `Object.defineProperty(Navigator.prototype, 'language', { get: () => '${language}' })`,
    );
    await desk.signIn(page);
    await streaming(page).waitFor();
    await page.locator('figure.chart canvas').first().waitFor();
    // The page asks who is signed in before anybody is.
    expect(errors.filter((each) => !/status of 401/.test(each))).toEqual([]);
  });
});

const screens = async (page: Page): Promise<string[]> =>
  Promise.all((await openScreens(page)).map(async (link) => (await link.getAttribute('href'))!));

describe('signing in', () => {
  test('a wrong token is said, a right one opens, and signing out ends the session', async () => {
    await using tab = await desk.open();
    const { page } = tab;
    await page.goto(desk.served.url);
    await page.getByLabel('Your name').fill('anna');
    await page.getByLabel('Token').fill('wrong-wrong-wrong-wrong');
    await page.keyboard.press('Enter');
    await page.getByText('TOKEN_WRONG').waitFor();
    await page.getByLabel('Token').fill(tokens.operate);
    await page.keyboard.press('Enter');
    await page.getByText('anna · may act').waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Token').waitFor();
    await page.reload();
    await page.getByLabel('Token').waitFor();
    // The name is kept, the token is not.
    expect(await page.getByLabel('Your name').inputValue()).toBe('anna');
    expect(await page.getByLabel('Token').inputValue()).toBe('');
  });

  test('the address that is printed holds the token, and loses it', async () => {
    await using tab = await desk.open();
    const { page } = tab;
    await page.goto(`${desk.served.url}/settings#token=${tokens.view}`);
    await page.getByLabel('Your name').fill('bert');
    // Before anybody signs in with it.
    expect(page.url()).toBe(`${desk.served.url}/settings`);
    await page.keyboard.press('Enter');
    await page.getByText('bert · may look').waitFor();
    // Where somebody is signed in already, too.
    await page.goto(`${desk.served.url}/settings#token=${tokens.view}`);
    await expect.poll(() => page.url()).toBe(`${desk.served.url}/settings`);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Token').waitFor();
  });

  test('who may only look is offered nothing that changes something', async () => {
    await using tab = await desk.open();
    await desk.signIn(tab.page, 'view');
    await tab.page.goto(`${desk.served.url}/settings`);
    const pause = tab.page.getByRole('button', { name: /^Pause/ }).first();
    await pause.waitFor();
    expect(await pause.isDisabled()).toBe(true);
  });
});

describe('every screen', () => {
  test.each(looks)('opens clean, %s', async (look, options) => {
    await using tab = await desk.open(options);
    const { page, errors, origins } = tab;
    await page.addInitScript(observeShifts);
    await page.goto(desk.served.url);
    await page.getByLabel('Token').waitFor();
    await inspect(page, `sign-in-${look}`);
    // The question who is signed in is answered with 401, which the browser notes.
    errors.length = 0;
    await desk.signIn(page);
    errors.length = 0;
    for (const path of await screens(page)) {
      await page.goto(`${desk.served.url}${path}`);
      await settled(page);
      if (path === '/') await streaming(page).waitFor();
      await inspect(page, `${path.slice(1) || 'now'}-${look}`);
      expect(errors, path).toEqual([]);
      // Content that moves while a person reads it. 0.1 is what Google calls good; on a quiet machine it is below 0.02.
      expect(await page.evaluate('window.shifted'), `${path} shifts`).toBeLessThan(0.1);
      await expectNotWide(page, path);
      if (look !== 'light') continue;
      // As at 200 % in a window of that size.
      await page.setViewportSize({ width: 640, height: 450 });
      await expectNotWide(page, `${path} at 200 %`);
      await page.setViewportSize(options.viewport!);
    }
    expect([...origins]).toEqual([new URL(desk.served.url).origin]);
  });

  async function expectNotWide(page: Page, name: string): Promise<void> {
    const isWide = await page.evaluate('document.body.scrollWidth > innerWidth');
    expect(isWide, `${name} scrolls sideways`).toBe(false);
  }

  /** Takes its picture and asks axe. */
  async function inspect(page: Page, name: string): Promise<void> {
    await takePicture(page, name);
    expect(await axeViolations(page), name).toEqual([]);
  }

  test('paints quickly', async ({ annotate }) => {
    await using tab = await desk.open();
    const { page } = tab;
    await desk.signIn(page);
    await page.reload();
    await streaming(page).waitFor();
    const paintMs = await page.evaluate<number>(
      `performance.getEntriesByName('first-contentful-paint')[0].startTime`,
    );
    const bytes = await page.evaluate<number>(
      `performance.getEntriesByType('resource').filter(({ name }) => name.includes('/assets/'))
        .reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0)`,
    );
    await annotate(`first contentful paint after ${Math.round(paintMs)} ms, ${bytes} bytes of pages`);
    expect(bytes).toBeGreaterThan(0);
    expect(bytes).toBeLessThan(300_000);
    // A second on a quiet machine.
    expect(paintMs).toBeLessThan(5_000);
  });
});

describe('what is shown', () => {
  test('is asked for only while somebody can see it', async () => {
    await using tab = await desk.open();
    const { page } = tab;
    await desk.signIn(page);
    await streaming(page).waitFor();
    const isLive = (request: { url(): string }) => request.url().endsWith('/api/live');
    const closed = page.waitForEvent('requestfailed', isLive);
    await see(page, false);
    await closed;
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    const opened = page.waitForRequest(isLive);
    await see(page, true);
    await opened;
    // Nothing between.
    expect(asked[0]).toMatch(/\/api\/live$/);
  });

  test('is not asked for on any screen for as long as nobody can see it', async () => {
    await using tab = await desk.open();
    const { page } = tab;
    await page.clock.install();
    await desk.signIn(page);
    const quiet: string[] = [];
    for (const path of await screens(page)) {
      await page.goto(`${desk.served.url}${path}`);
      await settled(page);
      await see(page, false);
      const note = (request: Request) => quiet.push(`${path}: ${request.url()}`);
      page.on('request', note);
      // Every timer of the page is due by then, that of the silent stream too.
      await page.clock.runFor('01:00');
      page.off('request', note);
    }
    expect(quiet).toEqual([]);
  });

  async function see(page: Page, isVisible: boolean): Promise<void> {
    await page.evaluate(`
      Object.defineProperty(document, 'hidden', { configurable: true, value: ${!isVisible} });
      Object.defineProperty(document, 'visibilityState', { configurable: true, value: '${isVisible ? 'visible' : 'hidden'}' });
      // As browsers do, it bubbles: the queries listen to the window.
      document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));`);
  }

  test('stays with its age while Postgres is away, and is up to date by itself afterwards', async () => {
    await using tab = await desk.open();
    const { page } = tab;
    await desk.signIn(page);
    await streaming(page).waitFor();
    desk.proxy.shut();
    // The age grows.
    for (const age of [/from \d+ s ago/, /from ([4-9]|\d\d) s ago/])
      await stale(page).getByText(age).waitFor();
    await stale(page)
      .getByText(/cannot be reached|connection/i)
      .waitFor();
    expect(await streaming(page).isVisible()).toBe(true);
    await takePicture(page, 'now-postgres-away');
    desk.proxy.calm();
    await stale(page).waitFor({ state: 'detached' });
  });

  test('of Kafka stays with its age while that is away, and the rest goes on', async () => {
    await using tab = await desk.open();
    const { page: topics, context } = tab;
    await desk.signIn(topics);
    await topics.goto(`${desk.served.url}/topics`);
    const listed = topics.locator('main table').getByRole('link', { name: desk.world.topic });
    await listed.waitFor();
    const page = await context.newPage();
    await page.goto(desk.served.url);
    const row = page.getByRole('region', { name: 'Last transactions' }).getByRole('row').nth(1);
    await row.waitFor();
    desk.kafkaProxy.shut();
    const isKept = async (each: Page, known: Locator) => {
      const failure = each.getByRole('alert');
      await expect.poll(() => comeBack(each, failure), { timeout: 60_000, interval: 1_000 }).toBe(true);
      await failure.getByText('KAFKA_UNAVAILABLE').waitFor();
      await failure.getByText(/What you see is from .+ ago/).waitFor();
      expect(await known.isVisible()).toBe(true);
    };
    await Promise.all([isKept(topics, listed), isKept(page, row)]);
    await takePicture(page, 'now-kafka-away');
    await takePicture(topics, 'topics-kafka-away');
    // What comes from Postgres and the relays is up to date.
    expect(await stale(page).count()).toBe(0);
    expect(await streaming(page).isVisible()).toBe(true);
    desk.kafkaProxy.calm();
    const isOver = (each: Page) => each.getByRole('alert').waitFor({ state: 'detached', timeout: 60_000 });
    await Promise.all([isOver(topics), isOver(page)]);
  });

  /** As a person does, who then sees what is newer. @returns whether that is there */
  async function comeBack(page: Page, awaited: Locator): Promise<boolean> {
    await see(page, false);
    await see(page, true);
    return (await awaited.count()) > 0;
  }

  test('says that the relay died, since when nothing is known of it, and that another streams', async () => {
    await using tab = await desk.open();
    const { page } = tab;
    await desk.signIn(page);
    await streaming(page).waitFor();
    // It says nothing any more, and what it said last has its age.
    await relay.kill();
    await desk.world.pool.query(`update outbox.relay set seen_at = seen_at - interval '1 minute'`);
    const relays = page.getByRole('region', { name: 'Relays' });
    await relays.getByText('gone').waitFor();
    await relays.getByText(/last seen .+ ago/).waitFor();
    await page.locator('.verdict.bad').waitFor();
    relay = desk.world.startRelay();
    await streaming(page).waitFor();
  });

  test('of the audit is until when all is proven, and that no audit runs once none has run again', async () => {
    const { world } = desk;
    const { code, stderr } = await world.command('audit', '--once');
    expect(code, stderr).toBe(0);
    await using tab = await desk.open();
    const { page } = tab;
    await desk.signIn(page);
    await page.goto(`${desk.served.url}/audit`);
    const badge = page.getByRole('region', { name: 'What is proven' }).locator('.badge').first();
    await badge.getByText(/^proven until \d\d:\d\d:\d\d$/).waitFor();
    await takePicture(page, 'audit-proven-light');
    await world.pool.query(
      `update outbox.audit set last_run_at = last_run_at - interval '10 minutes', last_run_ms = 1000`,
    );
    await page.reload();
    await badge.getByText(/^proven until .+, no audit is known to run$/).waitFor();
    await page.getByText('no audit is known to run now').waitFor();
    await takePicture(page, 'audit-ended-light');
    await page.emulateMedia({ colorScheme: 'dark' });
    await takePicture(page, 'audit-ended-dark');
  });

  test('of a topic that the loss of a broker may cost events is why', async () => {
    await using tab = await desk.open();
    await desk.signIn(tab.page);
    await tab.page.goto(`${desk.served.url}/topics`);
    const row = tab.page.getByRole('row').filter({ hasText: desk.world.topic });
    // The broker of the tests is alone.
    await row.getByText('not safe').waitFor();
    await row.getByText('1 replica, min.insync.replicas 1').waitFor();
    await tab.page.getByText('the loss of one broker can lose committed events').waitFor();
  });

  test('of a screen whose code is gone is a way on, and the other screens stay', async () => {
    await using tab = await desk.open();
    const { page } = tab;
    // As after an upgrade.
    await page.route(/\/assets\/schemas-[^/]+\.js$/, (route) => route.fulfill({ status: 404 }));
    await desk.signIn(page);
    const screens = page.getByRole('navigation', { name: 'Screens' });
    await screens.getByRole('link', { name: 'Schemas' }).click();
    await page.getByRole('alert').getByText('Load the page again').waitFor();
    await screens.getByRole('link', { name: 'Now' }).click();
    await streaming(page).waitFor();
    await page.unrouteAll();
    await page.goto(`${desk.served.url}/schemas`);
    await page.getByRole('heading', { name: 'Schemas' }).waitFor();
  });

  test('stays with its age while the console is away; then one signs in again', async () => {
    await using tab = await desk.open();
    const { page } = tab;
    await desk.signIn(page);
    await streaming(page).waitFor();
    await desk.served.stop();
    await stale(page).getByText('The console does not answer').waitFor();
    expect(await streaming(page).isVisible()).toBe(true);
    await desk.serve();
    await page.getByLabel('Token').fill(tokens.operate);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await streaming(page).waitFor();
    await stale(page).waitFor({ state: 'detached' });
  });
});
