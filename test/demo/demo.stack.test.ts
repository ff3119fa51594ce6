import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { cacheFolder } from '../../stack/cache.ts';

const entry = path.join(import.meta.dirname, '..', '..', 'demo', 'main.ts');
/** Two servers of Java start beside whatever else the tests do. */
const timeoutMs = 400_000;

function startDemo(...args: string[]): ChildProcess {
  const demo = spawn(process.execPath, [entry, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void demo.kill('SIGKILL'));
  return demo;
}

async function foldersLeft(demo: ChildProcess): Promise<string[]> {
  const names = await readdir(path.join(cacheFolder(), 'run'));
  return names.filter((name) => name.startsWith(`${demo.pid}-`));
}

test('its console shows both relays; Ctrl-C ends all early with the summary of what was done, and leaves nothing behind', {
  timeout: timeoutMs,
}, async () => {
  const demo = startDemo('--seconds', '600', '--rate', '100', '--console');
  const printed = new Output(demo);
  const [, url, token] = await printed.match(/the console: (\S+)\/#token=(\S+)/);
  await untilConsoleShows(url!, token!, ['"state":"streaming"', '"state":"standby"']);
  // The first line of figures: by then the load is on.
  await printed.match(/\d+ s of 600 s/);
  const closed = once(demo, 'close');
  demo.kill('SIGINT'); // a second one would not wait
  const [code] = await closed;

  expect(printed.text).toMatch(/^ {2}missing +0 /m);
  expect(printed.text).toMatch(/^ {2}published +\d+ /m);
  expect(code).toBe(0);
  expect(await foldersLeft(demo)).toEqual([]);
});

class Output {
  text = '';
  readonly #demo: ChildProcess;

  constructor(demo: ChildProcess) {
    this.#demo = demo;
    demo.stdout!.on('data', (chunk) => {
      this.text += chunk;
    });
  }

  async match(pattern: RegExp): Promise<RegExpMatchArray> {
    for (;;) {
      const found = this.text.match(pattern);
      if (found !== null) return found;
      await once(this.#demo.stdout!, 'data');
    }
  }
}

/** As a page does: signs in, and listens. */
async function untilConsoleShows(url: string, token: string, states: readonly string[]): Promise<void> {
  const headers = { 'content-type': 'application/json', origin: url };
  const body = JSON.stringify({ token, person: 'anna' });
  const signedIn = await fetch(`${url}/api/session`, { method: 'POST', headers, body });
  const [cookie] = signedIn.headers.getSetCookie()[0]!.split(';');
  const live = await fetch(`${url}/api/live`, { headers: { cookie: cookie! } });
  let said = '';
  for await (const chunk of live.body!.pipeThrough(new TextDecoderStream())) {
    said += chunk;
    if (states.every((state) => said.includes(state))) return;
  }
  throw new Error(`the console ended with ${said.slice(-500)}`);
}
