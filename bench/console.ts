/**
 * `npm run bench:console`: what the console costs beside a relay, and how quick it is: CPU, statements and scrapes a minute
 * with and without a page open, the first paint, lists of many dead letters, and one patch for all of them.
 */
import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import pg from 'pg';
import type { Browser, Page } from 'playwright-core';
import { integer } from '../harness/arguments.ts';
import { startBrowser } from '../harness/browser.ts';
import { ConsoleProcess } from '../harness/console.ts';
import { median } from '../harness/percentile.ts';
import { relayEnv, settingsEnv } from '../harness/relay-process.ts';
import { type Ear, TcpProxy } from '../harness/tcp-proxy.ts';
import { brokenLimits, limits } from './console-limits.ts';
import { cpuMs, peakMemoryMb, resetPeakMemory } from './machine.ts';
import { topicOf } from './topics.ts';
import { defaultRowBytes, eventType, payloadOf } from './workload.ts';
import { BenchWorld } from './world.ts';

export type Cost = {
  /** Pages of a browser that show the screen Now. */
  readonly pages: number;
  /** Of one core. */
  readonly cpuPercent: number;
  readonly statementsPerMinute: number;
  readonly scrapesPerMinute: number;
};

export type ConsoleFigures = {
  readonly eventsPerSecond: number;
  readonly costs: readonly Cost[];
  readonly firstPaintMs: number;
  readonly letters: number;
  /** Median of what the API takes, by what is asked. */
  readonly answerMs: Readonly<Record<string, number>>;
  /** From the click until the list is drawn. */
  readonly listDrawnMs: number;
  /** The same from its address, with everything that the page loads first. */
  readonly listOpenedMs: number;
  readonly patch: { readonly seconds: number; readonly fixed: number; readonly peakMemoryMb: number };
};

type Options = { seconds: number; letters: number; rate: number; json?: string };

const help = `
Exit codes: 0 within the limits; 1 a limit is broken; 64 wrong arguments

Examples:
  $ npm run bench:console
  $ npm run bench:console -- --seconds 10 --letters 10000`;

const token = 'operate-operate-operate';
const perTransaction = 5;
const repeats = 7;

async function main(): Promise<void> {
  const options = new Command('npm run bench:console --')
    .description('Measures what the console costs, and how quick it is.')
    .option('--seconds <number>', 'length of each measurement of costs', integer(5, 3_600), 60)
    .option('--letters <number>', 'dead letters of one cause', integer(100, 10_000_000), 100_000)
    .option('--rate <number>', 'events/s that the relay publishes meanwhile', integer(5, 100_000), 200)
    .option('--json <file>', 'also write the figures to this file')
    .addHelpText('after', help)
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 64))
    .parse()
    .opts<Options>();
  const say = (line: string) => void process.stderr.write(`# ${line}\n`);
  const figures = await measureConsole(options, say);
  process.stdout.write(`${describe(figures)}\n`);
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(figures, null, 2)}\n`);
  const broken = brokenLimits(figures);
  for (const sentence of broken) process.stdout.write(`LIMIT: ${sentence}\n`);
  process.exit(broken.length === 0 ? 0 : 1);
}

function describe({ eventsPerSecond, costs, letters, answerMs, patch, ...rest }: ConsoleFigures): string {
  return [
    `beside a relay at ${eventsPerSecond} events/s`,
    '| pages open | CPU, of a core | statements a minute | scrapes a minute |',
    '| --- | --- | --- | --- |',
    ...costs.map(
      ({ pages, cpuPercent, statementsPerMinute, scrapesPerMinute }) =>
        `| ${pages} | ${cpuPercent} % | ${statementsPerMinute} | ${scrapesPerMinute} |`,
    ),
    `first paint after ${rest.firstPaintMs} ms (limit ${limits.firstPaintMs})`,
    `with ${letters} dead letters: ${Object.entries(answerMs)
      .map(([what, ms]) => `${what} ${ms} ms`)
      .join(
        ', ',
      )} (limit ${limits.answerMs}); list drawn ${rest.listDrawnMs} ms after the click (limit ${limits.listDrawnMs}), ${rest.listOpenedMs} ms after its address was opened`,
    `one patch for ${patch.fixed} of them: ${patch.seconds} s, at most ${patch.peakMemoryMb} MB in memory`,
  ].join('\n');
}

export async function measureConsole(
  { seconds, letters, rate }: Options,
  say: (line: string) => void,
): Promise<ConsoleFigures> {
  await using world = await BenchWorld.start(say);
  const aggregateType = await world.newTopic(3);
  const relay = world.startRelay();
  await relay.streaming();
  await using postgres = await TcpProxy.before(world.stack.databaseUrl);
  await using http = await TcpProxy.before(relay.url);
  const statements = new StatementCount();
  postgres.listen = () => statements.listen();
  const scrapes = new ScrapeCount();
  http.listen = () => scrapes.listen();
  const databaseUrl = postgres.through(world.stack.databaseUrl);
  const served = await ConsoleProcess.start({
    run: world.run,
    env: {
      ...relayEnv({ ...world.stack, databaseUrl }, {}),
      ...settingsEnv({
        CONSOLE_PORT: 0,
        CONSOLE_OPERATE_TOKEN: token,
        CONSOLE_OPERATE_PAYLOADS: 'full',
        CONSOLE_RELAYS: `http://127.0.0.1:${http.port}`,
      }),
    },
  });
  await using load = await Load.start(world.stack.databaseUrl, aggregateType, rate);
  const browser = await startBrowser();
  try {
    const costs: Cost[] = [];
    for (const pages of [0, 1, 5]) {
      say(`${pages} pages open for ${seconds} s`);
      const context = await browser.newContext();
      for (let count = 0; count < pages; count++) await open(await context.newPage(), served.url);
      await sleep(2_000);
      const before = { cpu: await cpuMs(served.pid), sql: statements.count, http: scrapes.count };
      await sleep(seconds * 1_000);
      const perMinute = (count: number) => Math.round((count * 60) / seconds);
      costs.push({
        pages,
        cpuPercent: round(((await cpuMs(served.pid)) - before.cpu) / (seconds * 10)),
        statementsPerMinute: perMinute(statements.count - before.sql),
        scrapesPerMinute: perMinute(scrapes.count - before.http),
      });
      await context.close();
    }
    say('first paint');
    const paints: number[] = [];
    for (let count = 0; count < repeats; count++) paints.push(await firstPaintMs(browser, served.url));
    say(`${letters} dead letters`);
    await leave(world.database, aggregateType, letters);
    const many = await measureLetters(browser, served, letters, say);
    return { eventsPerSecond: rate, costs, firstPaintMs: Math.round(median(paints)), letters, ...many };
  } finally {
    await browser.close();
    await load[Symbol.asyncDispose]();
    await served.stop();
  }
}

const round = (value: number) => Math.round(value * 10) / 10;

/** Signs in, and waits until the page shows what is now. */
async function open(page: Page, url: string): Promise<void> {
  await page.goto(url);
  const form = page.getByLabel('Token');
  await form.or(page.locator('.verdict')).first().waitFor();
  if (await form.isVisible()) {
    await page.getByLabel('Your name').fill('bench');
    await form.fill(token);
    await page.keyboard.press('Enter');
  }
  await page.locator('.verdict').waitFor();
}

/** Of somebody who is signed in, with nothing of the page in the cache but for what signing in has loaded. */
async function firstPaintMs(browser: Browser, url: string): Promise<number> {
  const context = await browser.newContext();
  const page = await context.newPage();
  await open(page, url);
  await page.reload();
  await page.locator('.verdict').waitFor();
  const ms = await page.evaluate<number>(
    `performance.getEntriesByName('first-contentful-paint')[0].startTime`,
  );
  await context.close();
  return ms;
}

async function leave(database: pg.Client, aggregateType: string, letters: number): Promise<void> {
  await database.query(
    `insert into outbox.dead_letter
       (slot, commit_lsn, ordinal, event_id, aggregatetype, aggregateid, type, payload, topic, code, message, path)
     select 'outbox_relay', '0/1000'::pg_lsn + n, 0, gen_random_uuid(), $4, 'key-' || n % 5000, $2,
            '{"wrong": true}', $3, 'PAYLOAD_INVALID', 'the field is missing', '$.id'
       from generate_series(1, $1::int) as n`,
    [letters, eventType, topicOf(aggregateType), aggregateType],
  );
  await database.query('vacuum analyze outbox.dead_letter');
}

async function measureLetters(
  browser: Browser,
  { url, pid }: ConsoleProcess,
  letters: number,
  say: (line: string) => void,
): Promise<Pick<ConsoleFigures, 'answerMs' | 'listDrawnMs' | 'listOpenedMs' | 'patch'>> {
  const context = await browser.newContext();
  const page = await context.newPage();
  await open(page, url);
  const { origin } = new URL(url);
  const [{ name = '', value = '' } = {}] = await context.cookies();
  const ask = (path: string, init: RequestInit = {}) =>
    fetch(`${url}/api${path}`, {
      ...init,
      headers: { cookie: `${name}=${value}`, 'content-type': 'application/json', origin },
    });
  const deep = (0x1000 + letters - 10).toString(16).padStart(16, '0');
  const asked = {
    groups: '/dead-letters/groups',
    list: '/dead-letters?statuses=open&codes=PAYLOAD_INVALID',
    'one key': '/dead-letters?statuses=open&keys=key-77',
    'last page': `/dead-letters?statuses=open&after=${deep}.00000000`,
  };
  const answerMs: Record<string, number> = {};
  for (const [what, path] of Object.entries(asked)) {
    const took: number[] = [];
    for (let count = 0; count < repeats; count++) {
      const begunMs = performance.now();
      const answer = await ask(path);
      await answer.arrayBuffer();
      if (!answer.ok) throw new Error(`${path} answers ${answer.status}`);
      took.push(performance.now() - begunMs);
    }
    answerMs[what] = Math.round(median(took));
  }
  const drawn: number[] = [];
  const opened: number[] = [];
  const last = page.locator('main table tbody tr').nth(49);
  for (let count = 0; count < repeats; count++) {
    // The page is loaded again, so that nothing is known before the click.
    await page.goto(`${url}/dead-letters`);
    const link = page.getByRole('region', { name: 'Causes' }).getByRole('link').first();
    await link.waitFor();
    const clickedMs = performance.now();
    await link.click();
    await last.waitFor();
    drawn.push(performance.now() - clickedMs);
    const openedMs = performance.now();
    await page.goto(`${url}/dead-letters/list`);
    await last.waitFor();
    opened.push(performance.now() - openedMs);
  }
  const [listDrawnMs, listOpenedMs] = [drawn, opened].map((each) => Math.round(median(each)));
  await context.close();

  say('one patch for all of them');
  await resetPeakMemory(pid);
  const patchedMs = performance.now();
  const patch = JSON.stringify([{ op: 'replace', path: '', value: JSON.parse(payloadOf(defaultRowBytes)) }]);
  const body = { selection: { codes: ['PAYLOAD_INVALID'] }, patch, reason: 'bench' };
  const started = await ask('/dead-letters/jobs/patch', { method: 'POST', body: JSON.stringify(body) });
  const { jobId } = (await started.json()) as { jobId: string };
  await (await ask(`/jobs/${jobId}`)).text();
  const job = (await (await ask(`/jobs/${jobId}/state`)).json()) as { result: { fixed: number } | null };
  const secondsTaken = round((performance.now() - patchedMs) / 1_000);
  if (job.result?.fixed !== letters) throw new Error(`the patch failed: ${JSON.stringify(job)}`);
  return {
    answerMs,
    listDrawnMs: listDrawnMs!,
    listOpenedMs: listOpenedMs!,
    patch: { seconds: secondsTaken, fixed: job.result.fixed, peakMemoryMb: await peakMemoryMb(pid) },
  };
}

/** Events that are written at a steady rate. */
class Load implements AsyncDisposable {
  readonly #client: pg.Client;
  readonly #ending = new AbortController();
  readonly #writing: Promise<void>;

  private constructor(client: pg.Client, aggregateType: string, rate: number) {
    this.#client = client;
    this.#writing = this.#write(aggregateType, (perTransaction * 1_000) / rate);
  }

  static async start(databaseUrl: string, aggregateType: string, rate: number): Promise<Load> {
    const client = new pg.Client({ connectionString: databaseUrl });
    await client.connect();
    return new Load(client, aggregateType, rate);
  }

  async #write(aggregateType: string, everyMs: number): Promise<void> {
    const { signal } = this.#ending;
    while (!signal.aborted) {
      await this.#client.query(
        `insert into outbox.event (aggregatetype, aggregateid, type, payload)
         select $1, 'key-' || n, $2, $3::jsonb from generate_series(1, ${perTransaction}) as n`,
        [aggregateType, eventType, payloadOf(defaultRowBytes)],
      );
      await sleep(everyMs, undefined, { signal }).catch(() => {});
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ending.signal.aborted) return;
    this.#ending.abort();
    await this.#writing;
    await this.#client.end();
  }
}

/** Counts what clients have Postgres run, by the messages that they send. */
class StatementCount {
  count = 0;

  listen(): Ear {
    let rest = Buffer.alloc(0);
    /** The first message of a connection has no type. */
    let isFirst = true;
    return {
      fromServer() {},
      fromClient: (chunk) => {
        rest = Buffer.concat([rest, chunk]);
        for (;;) {
          const head = isFirst ? 0 : 1;
          if (rest.length < head + 4) return;
          const end = head + rest.readInt32BE(head);
          if (rest.length < end) return;
          const type = isFirst ? '' : String.fromCharCode(rest[0]!);
          // A simple query, or the execution of a prepared one.
          if (type === 'Q' || type === 'E') this.count++;
          isFirst = false;
          rest = rest.subarray(end);
        }
      },
    };
  }
}

class ScrapeCount {
  count = 0;

  listen(): Ear {
    return {
      fromServer() {},
      fromClient: (chunk) => {
        this.count += chunk.toString('latin1').split('GET /metrics').length - 1;
      },
    };
  }
}

if (process.argv[1] === import.meta.filename) await main();
