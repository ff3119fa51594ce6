/** What the browser tests of the console share: a world with a console in front of it, and a browser to look with. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core';
import { expect } from 'vitest';
import { startBrowser } from '../../harness/browser.ts';
import { ConsoleProcess } from '../../harness/console.ts';
import { type Settings, settingsEnv } from '../../harness/relay-process.ts';
import { TcpProxy } from '../../harness/tcp-proxy.ts';
import { cacheFolder } from '../../stack/cache.ts';
import { freePort } from '../../stack/port.ts';
import { World } from '../relay/world.ts';
import { type Login, makeOperator } from '../support/roles.ts';

export const tokens = { view: 'view-view-view-view', operate: 'operate-operate-operate' };
/** Out of git; look at them after a change. */
const pictures = join(cacheFolder(), 'console-pictures');

/** For people to look at: nothing is compared with it. A busy Chromium may need a second attempt. */
export async function takePicture(of: Page | Locator, name: string, fullPage = true): Promise<void> {
  const options = { path: join(pictures, `${name}.png`), fullPage };
  const take = () => of.screenshot(options);
  await take().catch(take);
}
const desktop: BrowserContextOptions = { colorScheme: 'light', viewport: { width: 1280, height: 900 } };
export const looks: readonly [string, BrowserContextOptions][] = [
  ['light', desktop],
  ['dark', { ...desktop, colorScheme: 'dark' }],
  ['phone', { colorScheme: 'light', viewport: { width: 390, height: 844 } }],
];

/** Whether all that a screen first asks for is there. */
export async function settled(page: Page): Promise<void> {
  await page.locator('main h1').first().waitFor();
  await page.locator('.waiting').first().waitFor({ state: 'detached' });
}

/** The links to the screens. */
export const openScreens = (page: Page): Promise<Locator[]> =>
  page.getByRole('navigation', { name: 'Screens' }).getByRole('link').all();

export class ConsoleWorld implements AsyncDisposable {
  readonly world: World;
  /** Between the console and Postgres. */
  readonly proxy: TcpProxy;
  /** By which the console finds Kafka; the relays have another way. */
  readonly kafkaProxy: TcpProxy;
  readonly browser: Browser;
  served!: ConsoleProcess;
  readonly #operator: Login;
  readonly #port: number;
  readonly #settings: Settings;

  private constructor(
    world: World,
    proxy: TcpProxy,
    kafkaProxy: TcpProxy,
    browser: Browser,
    operator: Login,
    port: number,
    settings: Settings,
  ) {
    this.world = world;
    this.proxy = proxy;
    this.kafkaProxy = kafkaProxy;
    this.browser = browser;
    this.#operator = operator;
    this.#port = port;
    this.#settings = settings;
  }

  /**
   * With the console running, as an operator's role.
   * @param settings for it beside those that it always has
   * @param beside what starts at the same time
   */
  static async create(
    settings: Settings = {},
    beside: (world: World) => Promise<unknown> = async () => {},
  ): Promise<ConsoleWorld> {
    mkdirSync(pictures, { recursive: true });
    const starting = startBrowser();
    const world = await World.create();
    const operator = await makeOperator(world.database);
    const proxy = await TcpProxy.before(world.database.url);
    const kafkaProxy = await TcpProxy.before(`kafka://${world.env.KAFKA_BROKERS!.split(',')[0]}`);
    const made = new ConsoleWorld(
      world,
      proxy,
      kafkaProxy,
      await starting,
      operator,
      await freePort(),
      settings,
    );
    try {
      await Promise.all([made.serve(), beside(world)]);
    } catch (error) {
      await made[Symbol.asyncDispose]();
      throw error;
    }
    return made;
  }

  /** Starts the console, at the same address each time. */
  async serve(): Promise<void> {
    this.served = await ConsoleProcess.start({
      env: {
        ...this.world.env,
        DATABASE_URL: this.proxy.through(this.#operator.url),
        KAFKA_BROKERS: `127.0.0.1:${this.kafkaProxy.port}`,
        ...settingsEnv({
          CONSOLE_PORT: this.#port,
          CONSOLE_VIEW_TOKEN: tokens.view,
          CONSOLE_OPERATE_TOKEN: tokens.operate,
          CONSOLE_OPERATE_PAYLOADS: 'full',
          ...this.#settings,
        }),
      },
    });
  }

  /**
   * A page of a browser of its own, which notes whatever a console would show in red, what the policy of the page refuses,
   * and every address it asks.
   */
  async open(options: BrowserContextOptions = desktop) {
    const context = await this.browser.newContext(options);
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    const errors: string[] = [];
    const origins = new Set<string>();
    // Also one that is only reported, and in a frame.
    await context.exposeFunction('noteViolation', (text: string) => void errors.push(text));
    await context.addInitScript(`addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
      noteViolation('the policy refuses ' + violatedDirective + ' ' + blockedURI))`);
    page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
    page.on('pageerror', ({ message }) => errors.push(message));
    page.on('request', (request) => origins.add(new URL(request.url()).origin));
    return { context, page, errors, origins, [Symbol.asyncDispose]: () => context.close() };
  }

  async signIn(page: Page, as: keyof typeof tokens = 'operate', person = 'anna'): Promise<void> {
    await page.goto(this.served.url);
    await page.getByLabel('Your name').fill(person);
    await page.getByLabel('Token').fill(tokens[as]);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('navigation', { name: 'Screens' }).waitFor();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.browser.close();
    await this.served?.stop();
    this.proxy.close();
    this.kafkaProxy.close();
    await this.#operator.drop();
    await this.world[Symbol.asyncDispose]();
    const said = this.served?.lines.join('\n') ?? '';
    for (const secret of [...Object.values(tokens), new URL(this.#operator.url).password])
      expect(said).not.toContain(secret);
  }
}
