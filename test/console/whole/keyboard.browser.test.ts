/**
 * The console without a mouse, and by its addresses: whatever a person can press is reached and shows that it is, nothing
 * leaves the keyboard nowhere, and a link or Back restores what was seen.
 */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ConsoleWorld, openScreens, settled } from '../console-world.ts';

let desk: ConsoleWorld;
/** Of one cause, more than a page has. */
const lettersCount = 60;
const firstLetter = '/dead-letters/0000000000001001.00000000';

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
     select $1, '0/1000'::pg_lsn + n, 0, gen_random_uuid(), 'item', 'key ' || n % 7, 'test.ItemMoved',
            '{"key":"k","seq":"two"}', $3, 'PAYLOAD_INVALID', 'expected long, found string', '$.seq'
       from generate_series(1, $2::int) as n`,
    [slot, lettersCount, topic],
  );
});
afterAll(() => desk?.[Symbol.asyncDispose]());

/** A signed-in page at an address. */
async function at(path: string) {
  const tab = await desk.open();
  await desk.signIn(tab.page);
  await go(tab.page, path);
  return tab;
}

async function go(page: Page, path: string): Promise<void> {
  await page.goto(`${desk.served.url}${path}`);
  await settled(page);
}

const focused = (page: Page) => page.locator(':focus');
const pathOf = (page: Page) => page.url().slice(desk.served.url.length);

describe('the keyboard', () => {
  test('reaches each screen by its letters, and begins at its title', async () => {
    await using tab = await at('/');
    const { page } = tab;
    for (const link of await openScreens(page)) {
      const keys = ((await link.locator('kbd').textContent()) ?? '').split(' ');
      // Out of a field that has the focus.
      for (const key of ['Escape', ...keys]) await page.keyboard.press(key);
      const href = await link.getAttribute('href');
      await page.locator(`[aria-current=page][href="${href}"]`).waitFor();
      await settled(page);
    }
    // In a page that was just loaded the keyboard starts at the top, also once the screen is there.
    await page.reload();
    await page.getByRole('heading', { level: 1 }).waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    expect(await focused(page).getAttribute('id')).toBe('main');
    // And stays where it was.
    await expect.poll(() => pathOf(page)).toBe('/settings');
  });

  test('reaches whatever can be pressed or filled in, and shows where it is', async () => {
    await using tab = await at('/');
    const { page } = tab;
    const paths = await Promise.all((await openScreens(page)).map((link) => link.getAttribute('href')));
    for (const path of [
      ...paths,
      '/dead-letters/list',
      firstLetter,
      '/dead-letters/patch?codes=PAYLOAD_INVALID',
    ]) {
      await go(page, path!);
      const { missed, unseen } = await walk(page);
      expect(missed, `${path}: not reached`).toEqual([]);
      expect(unseen, `${path}: no sign of the focus`).toEqual([]);
    }
  });

  test('returns to the button of a dialog, whichever way that opened and closed', async () => {
    await using tab = await at('/settings');
    const { page } = tab;
    const pause = page.getByRole('button', { name: 'Pause' }).first();
    const dialog = page.getByRole('dialog');
    for (const close of [
      () => page.keyboard.press('Escape'),
      () => dialog.getByText('Cancel').press('Enter'),
      () => page.goBack(),
    ]) {
      await pause.press('Enter');
      await dialog.waitFor();
      expect(await dialog.locator(':focus').count()).toBe(1);
      await close();
      await dialog.waitFor({ state: 'detached' });
      expect(await focused(page).textContent()).toBe('Pause');
      await expect.poll(() => pathOf(page)).toBe('/settings');
    }
    // By a link, where nothing had the focus, and Escape is the first that the person does.
    await go(page, '/settings?open=pause');
    await dialog.waitFor();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    await expect.poll(() => pathOf(page)).toBe('/settings');
    expect(await focused(page).textContent()).toBe('Pause');
    await page.keyboard.press('Enter');
    await dialog.waitFor();
  });

  test('goes on from the title where what had it is gone', async () => {
    await using tab = await at('/dead-letters/list?job=gone');
    const { page } = tab;
    await page.getByRole('button', { name: 'Close' }).press('Enter');
    await expect.poll(() => page.evaluate('document.activeElement.tagName')).toBe('H1');
    // A condition leads to the next.
    await go(page, '/dead-letters/list?codes=PAYLOAD_INVALID');
    await page.getByRole('button', { name: 'Remove the condition code' }).press('Enter');
    await expect.poll(() => focused(page).getAttribute('aria-label')).toBe('Filter value');
    // The last page has no next, and the button stays.
    const next = page.getByRole('button', { name: 'Next page' });
    await next.press('Enter');
    await page.getByText('10 of 60, on a later page').waitFor();
    expect(await focused(page).textContent()).toBe('Next page');
    expect(await next.isDisabled()).toBe(true);
    await page.getByRole('button', { name: 'Previous page' }).press('Enter');
    await page.getByText('50 of 60').waitFor();
    expect(await focused(page).textContent()).toBe('Previous page');
  });

  test('stays on the way between pages while the next one comes', async () => {
    await using tab = await at('/dead-letters/list');
    const { page } = tab;
    await page.getByRole('button', { name: 'Next page' }).press('Enter');
    await page.getByText('10 of 60, on a later page').waitFor();
    // The page before it is not known, and has not been read either.
    await page.reload();
    await settled(page);
    const isOfFirst = ({ pathname, searchParams }: URL) =>
      pathname.endsWith('/api/dead-letters') && !searchParams.has('after');
    const { promise: asked, resolve: answer } = Promise.withResolvers<() => Promise<void>>();
    await page.route(isOfFirst, (route) => answer(() => route.continue()));
    await page.getByRole('button', { name: 'First page' }).press('Enter');
    const go = await asked;
    expect(await focused(page).textContent()).toBe('First page');
    expect(await page.getByText('10 of 60, on a later page').count()).toBe(1);
    await go();
    await page.getByText('50 of 60').waitFor();
    expect(await focused(page).textContent()).toBe('First page');
  });

  test('reads a chart, which has a name and says its values', async () => {
    await using tab = await at('/');
    const charts = tab.page.getByRole('slider');
    const names = await Promise.all((await charts.all()).map((each) => each.getAttribute('aria-label')));
    expect(names).toEqual([
      expect.stringMatching(/^Throughput/),
      expect.stringMatching(/^Latency, commit to commit/),
      expect.stringMatching(/^Oldest unpublished event/),
      expect.stringMatching(/^WAL kept for the slot/),
    ]);
    expect(await charts.nth(1).getAttribute('aria-valuetext')).toMatch(/^now: p50 .+, p99 .+$/);
  });

  /** Through the page with Tab, once. What cannot be pressed now is reached, too: it says why. */
  async function walk(page: Page) {
    await page.evaluate(`{
      window.wanted = new Set([...document.querySelectorAll(
        'a[href], button, input, select, textarea, summary, [role=slider], [role=textbox]')]
        // Of radio buttons Tab reaches the one that is chosen, and arrows the others.
        .filter((each) => each.checkVisibility() && !(each.type === 'radio' && !each.checked)));
      window.unseen = [];
      document.querySelector('.skip').focus();
      wanted.delete(document.activeElement);
    }`);
    const nameOf = `((each) => (each.getAttribute('aria-label') ?? each.textContent).slice(0, 60) + ' ' + each.outerHTML.slice(0, 80))`;
    for (let step = 0; step < 500; step++) {
      await page.keyboard.press('Tab');
      const isOver = await page.evaluate<boolean>(`(async () => {
        const each = document.activeElement;
        if (each === document.body) return true;
        wanted.delete(each);
        const isShown = () => [each, each.nextElementSibling, each.closest('.cm-editor')].some((part) => {
          const { outlineStyle, outlineWidth } = part ? getComputedStyle(part) : {};
          return outlineStyle && outlineStyle !== 'none' && outlineWidth !== '0px';
        });
        // The editor draws it some frames later.
        for (let frame = 0; frame < 60 && !isShown(); frame++) await new Promise(requestAnimationFrame);
        if (!isShown()) unseen.push(${nameOf}(each));
        return false;
      })()`);
      if (isOver) break;
    }
    return {
      missed: await page.evaluate<string[]>(`[...wanted].filter((each) => each.isConnected).map(${nameOf})`),
      unseen: await page.evaluate<string[]>('unseen'),
    };
  }
});

describe('an address', () => {
  const currentTab = (page: Page) => page.locator('.tabs [aria-current]').textContent();
  const conditions = (page: Page) =>
    page.getByRole('list', { name: 'Conditions' }).getByRole('listitem').allTextContents();
  const dialogTitle = (page: Page) => page.getByRole('dialog').getByRole('heading').textContent();

  const addresses: readonly (readonly [string, (page: Page) => Promise<unknown>, unknown])[] = [
    ['/?span=3600', (page) => page.getByLabel('1 h').isChecked(), true],
    [
      '/find?by=key&value=key+3',
      (page) => page.getByLabel('Key', { exact: true }).last().inputValue(),
      'key 3',
    ],
    ['/dead-letters?statuses=parked', (page) => currentTab(page), 'parked'],
    [
      '/dead-letters/list?keys=key+3&codes=PAYLOAD_INVALID',
      (page) => conditions(page),
      ['code PAYLOAD_INVALID ×', 'key key 3 ×'],
    ],
    [
      '/dead-letters/list?after=0000000000001032.00000000',
      (page) => page.locator('.pager [role=status]').textContent(),
      '10 of 60, on a later page',
    ],
    [`${firstLetter}?open=discard`, (page) => dialogTitle(page), 'Discard 1 dead letter'],
    [`${firstLetter}?edit`, (page) => page.getByRole('button', { name: 'Store' }).count(), 1],
    ['/topics?sort=-rate', (page) => page.locator('[aria-sort]').getAttribute('aria-sort'), 'ascending'],
    ['/settings?q=slot.name&show=all', (page) => page.getByText('slot.name', { exact: true }).count(), 1],
    ['/settings?open=rate-limit', (page) => dialogTitle(page), 'Limit the rate'],
  ];

  test('restores what was seen', async () => {
    await using tab = await at('/');
    for (const [path, read, shown] of addresses) {
      await go(tab.page, path);
      await expect.poll(() => read(tab.page), { message: path }).toEqual(shown);
    }
  });

  test('that one comes back to has what was seen, and the keyboard goes on from where it was', async () => {
    await using tab = await at('/dead-letters');
    const { page } = tab;
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await page.getByText('50 of 60').waitFor();
    await page.getByRole('button', { name: 'Next page' }).press('Enter');
    await page.getByText('10 of 60, on a later page').waitFor();
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    const item = await focused(page).getAttribute('data-item');
    await page.keyboard.press('Enter');
    await page.getByText('What happened').waitFor();
    await page.goBack();
    await page.getByText('10 of 60, on a later page').waitFor();
    await expect.poll(() => focused(page).getAttribute('data-item')).toBe(item);
    await page.goBack();
    await page.getByText('50 of 60').waitFor();
    await page.goBack();
    await page.getByRole('region', { name: 'Causes' }).waitFor();
    await expect.poll(() => pathOf(page)).toBe('/dead-letters');
  });
});
