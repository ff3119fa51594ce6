/**
 * Takes pictures of the console's pages, in each look, and notes what a picture does not show: content that moved while the
 * page loaded, what is wider than the window, what axe finds, and errors.
 */
import { globSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { axeViolations } from '../../harness/axe.ts';
import { startBrowser } from '../../harness/browser.ts';
import { cacheFolder } from '../../stack/cache.ts';
import { tokens } from './scene.ts';

export const folder = join(cacheFolder(), 'console-pictures');

const desktop: BrowserContextOptions = { colorScheme: 'light', viewport: { width: 1280, height: 900 } };
export const looks = {
  light: desktop,
  dark: { ...desktop, colorScheme: 'dark' },
  phone: { colorScheme: 'light', viewport: { width: 390, height: 844 } },
  /** A window of 1280 by 900 whose content is twice as large. */
  zoom: { colorScheme: 'light', viewport: { width: 640, height: 450 }, deviceScaleFactor: 2 },
} as const satisfies Record<string, BrowserContextOptions>;
export type Look = keyof typeof looks;

export type Shot = {
  readonly name: string;
  readonly path: string;
  /** What a person does before the picture. */
  readonly act?: (page: Page) => Promise<unknown>;
  readonly looks?: readonly Look[];
  readonly as?: keyof typeof tokens;
};

/** All but who is signed in, and what is live. */
const questions = /\/api\/(?!me$|live$)/;
const away = {
  code: 'POSTGRES_UNAVAILABLE',
  message: 'connecting to Postgres: connect ECONNREFUSED 10.0.0.7:5432',
  hint: 'Postgres does not accept connections. Check `DATABASE_URL`, the network and the server.',
};

/** Beyond it content has moved under the eyes of whoever reads. */
export const shiftMax = 0.02;

/** Sums the shifts of the layout that no input explains. */
const observeShifts = `
  window.shifted = { sum: 0, parts: [] };
  new PerformanceObserver((list) => {
    for (const { value, hadRecentInput, sources } of list.getEntries()) {
      if (hadRecentInput) continue;
      window.shifted.sum += value;
      const names = sources.map(({ node }) => {
        const element = node?.nodeType === 1 ? node : node?.parentElement;
        return element ? element.tagName.toLowerCase() + '.' + element.className : '?';
      });
      window.shifted.parts.push(value.toFixed(3) + ' ' + names.join(', '));
    }
  }).observe({ type: 'layout-shift', buffered: true });`;

export class Camera implements AsyncDisposable {
  /** What a person has to look at, or a picture that could not be taken. */
  faults = 0;
  readonly #browser: Browser;
  readonly #note: (line: string) => void;
  readonly #pages = new Map<string, Page>();
  #largestShift = { sum: 0, name: 'none' };
  #taken = 0;

  private constructor(browser: Browser, note: (line: string) => void) {
    this.#browser = browser;
    this.#note = note;
  }

  static async open(note: (line: string) => void): Promise<Camera> {
    mkdirSync(folder, { recursive: true });
    for (const failed of globSync('*-failed.png', { cwd: folder })) rmSync(join(folder, failed));
    return new Camera(await startBrowser(), note);
  }

  fault(line: string): void {
    this.faults += 1;
    this.#note(`LOOK: ${line}`);
  }

  get summary(): string {
    const { sum, name } = this.#largestShift;
    return `${this.faults} faults; ${this.#taken} pictures in ${folder}; largest layout shift ${sum.toFixed(3)} (${name}), ${shiftMax} is allowed`;
  }

  /** A page, signed in; kept for the next picture of its look and role. */
  async page(url: string, look: Look, as: keyof typeof tokens = 'operate'): Promise<Page> {
    const key = `${look} ${as} ${url}`;
    const known = this.#pages.get(key);
    if (known !== undefined) return known;
    const context = await this.#browser.newContext(looks[look]);
    await context.addInitScript(observeShifts);
    const page = await context.newPage();
    page.setDefaultTimeout(30_000);
    page.on('pageerror', ({ message }) => this.fault(`${look} ${page.url()}: ${message}`));
    await page.goto(`${url}/#token=${tokens[as]}`);
    await page.getByLabel('Your name').fill(as === 'view' ? 'bert' : 'anna');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('navigation', { name: 'Screens' }).waitFor();
    this.#pages.set(key, page);
    return page;
  }

  /** @returns the shift of the layout in each look, while the page loaded */
  async take(url: string, { name, path, act, looks: wanted, as }: Shot): Promise<string> {
    const shifts: string[] = [];
    for (const look of wanted ?? (Object.keys(looks) as Look[])) {
      const page = await this.page(url, look, as);
      try {
        await page.goto(`${url}${path}`);
        await settled(page);
        if (act !== undefined) {
          shifts.push(await this.#measure(page, `${name}-${look}`));
          await act(page);
          await settled(page);
        }
        await this.#snap(page, `${name}-${look}`);
        if (act === undefined) shifts.push(await this.#measure(page, `${name}-${look}`));
      } catch (error) {
        this.fault(`${name}-${look}: ${error instanceof Error ? error.message.split('\n')[0] : error}`);
        await page.screenshot({ path: join(folder, `${name}-${look}-failed.png`) }).catch(() => {});
      }
    }
    return shifts.join(' ');
  }

  /**
   * Of screens whose questions are not answered yet, and of those that are refused: the same parts, wherever one is.
   * @param paths by the name of the picture
   */
  async takeUnanswered(url: string, paths: Readonly<Record<string, string>>): Promise<void> {
    for (const look of ['light', 'dark', 'phone'] as const)
      for (const [name, path] of Object.entries(paths))
        for (const isRefused of [false, true]) {
          const page = await this.page(url, look);
          const picture = `${isRefused ? 'refused' : 'loading'}-${name}-${look}`;
          await page.route(questions, (route) => {
            if (isRefused) return route.fulfill({ status: 503, json: away });
          });
          await page.goto(`${url}${path}`);
          // Of the screen itself, and not of its code.
          await page.locator('main h1[tabindex]').waitFor();
          await page
            .locator(isRefused ? '.failure' : '.waiting')
            .first()
            .waitFor();
          if (isRefused) await settled(page);
          await this.#snap(page, picture).catch(() => this.fault(`${picture}: not taken`));
          await page.unrouteAll({ behavior: 'ignoreErrors' });
        }
  }

  /** Of a page that needs no one signed in. */
  async takeSignedOut(url: string, name: string): Promise<void> {
    for (const look of Object.keys(looks) as Look[]) {
      const context = await this.#browser.newContext(looks[look]);
      await context.addInitScript(observeShifts);
      const page = await context.newPage();
      await page.goto(url);
      await page.getByLabel('Token').waitFor();
      await this.#snap(page, `${name}-${look}`);
      await this.#measure(page, `${name}-${look}`);
      await context.close();
    }
  }

  async #snap(page: Page, name: string): Promise<void> {
    await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
    this.#taken += 1;
    const wide = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
    if (wide > 0) this.fault(`${name}: ${wide} px wider than the window`);
    for (const violation of await axeViolations(page)) this.fault(`${name}: axe, ${violation}`);
  }

  /** What has moved since the page was loaded. */
  async #measure(page: Page, name: string): Promise<string> {
    const { sum, parts } = await page.evaluate<{ sum: number; parts: string[] }>('window.shifted');
    if (sum > this.#largestShift.sum) this.#largestShift = { sum, name };
    if (sum > shiftMax) this.fault(`${name}: shifted by ${sum.toFixed(3)}: ${parts.join('; ')}`);
    return sum.toFixed(3);
  }

  /** What the first row of a list is about. */
  async firstItem(address: string, url: string): Promise<string> {
    const page = await this.page(url, 'light');
    await page.goto(address);
    return (await page.locator('[data-item]').first().getAttribute('data-item'))!;
  }

  /** For the README: what one sees of it without scrolling, sharp on any screen, as WebP. */
  async portray(
    url: string,
    path: string,
    file: string,
    act?: (page: Page) => Promise<unknown>,
  ): Promise<number> {
    const context = await this.#browser.newContext({ ...desktop, deviceScaleFactor: 1.5 });
    const page = await context.newPage();
    await page.goto(`${url}/#token=${tokens.operate}`);
    await page.getByLabel('Your name').fill('anna');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('navigation', { name: 'Screens' }).waitFor();
    await page.goto(`${url}${path}`);
    await settled(page);
    await act?.(page);
    const session = await context.newCDPSession(page);
    const { data } = await session.send('Page.captureScreenshot', { format: 'webp', quality: 82 });
    const picture = Buffer.from(data, 'base64');
    writeFileSync(file, picture);
    await context.close();
    return picture.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
  }
}

export async function settled(page: Page): Promise<void> {
  await page.locator('main h1').first().waitFor();
  await page.locator('.waiting').first().waitFor({ state: 'detached' });
  await page.evaluate('document.fonts.ready');
  // An editor measures its lines once it is drawn, and once it is seen: below the window, when one scrolls there.
  const drawn = 'new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))';
  await page.evaluate(
    `${drawn}.then(() => { window.scrolledFrom = scrollY; scrollTo(0, document.body.scrollHeight); return ${drawn} }).then(() => { scrollTo(0, window.scrolledFrom); return ${drawn} })`,
  );
}
