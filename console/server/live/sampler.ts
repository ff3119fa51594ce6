/**
 * Owns the figures that pages draw: every few seconds it scrapes the relays of the slot, whether somebody looks or not, and
 * keeps six hours. A relay that cannot be reached is said, never drawn as 0.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../../../relay/config/config.ts';
import { abortAfter } from '../../../relay/model/abort.ts';
import { listRelays } from '../../../relay/operations/relays.ts';
import { type Figures, figuresOf, isWanted, noFigures, type RelayFigures, type Scrape } from './figures.ts';
import { History, type Points } from './history.ts';
import { parseSamples } from './prometheus-text.ts';

export type RelayScrape = {
  readonly url: string;
  /** As it announced itself; null for a URL of `console.relays`. */
  readonly instance: string | null;
  /** null where it answers. */
  readonly failure: string | null;
  readonly figures: RelayFigures | null;
};

export type Sampled = {
  /** ISO 8601; null before the first. */
  readonly at: string | null;
  readonly figures: Figures;
  readonly relays: readonly RelayScrape[];
};

export const sampleEveryMs = 5_000;
const keptMs = 6 * 3_600_000;
/** A relay answers in a few ms. */
const scrapeTimeoutMs = 2_000;
/** As Postgres does. */
const listTimeoutMs = 2_000;
/** NTP corrects by less. */
const skewMaxMs = 500;
/** A scrape has some 100 kB; 1,000 partitions add 100 kB. */
const scrapeBytesMax = 8 * 1024 * 1024;

export class Sampler {
  readonly #config: Config;
  readonly #history = new History(keptMs / sampleEveryMs, sampleEveryMs);
  readonly #before = new Map<string, Scrape>();
  readonly #listeners = new Set<(sampled: Sampled) => void>();
  readonly #ending = new AbortController();
  /** Between the clock and the time that this process runs. */
  #skewMs = Number.NaN;
  #sampled: Sampled = { at: null, figures: noFigures, relays: [] };

  constructor(config: Config) {
    this.#config = config;
    void this.#repeat();
  }

  get sampled(): Sampled {
    return this.#sampled;
  }

  points(sinceMs: number, pointsMax: number): Points {
    return this.#history.since(sinceMs, pointsMax);
  }

  subscribe(listener: (sampled: Sampled) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#sampled);
    return () => this.#listeners.delete(listener);
  }

  end(): void {
    this.#ending.abort();
  }

  async #repeat(): Promise<void> {
    const { signal } = this.#ending;
    while (!signal.aborted) {
      const atMs = Date.now();
      this.#forgetWhenSet(atMs - performance.now());
      const relays = await this.#scrapeAll();
      if (signal.aborted) return;
      // Only the relay that streams has most of them.
      const streamer = relays.find(({ figures }) => figures.lagMs !== null);
      const figures =
        streamer?.figures ??
        relays.find(({ figures }) => figures.retainedBytes !== null)?.figures ??
        noFigures;
      this.#history.add(atMs, figures);
      this.#sampled = {
        at: new Date(atMs).toISOString(),
        figures,
        relays: relays.map(({ url, instance, failure, relay }) => ({
          url,
          instance,
          failure,
          figures: relay,
        })),
      };
      for (const listener of this.#listeners) listener(this.#sampled);
      await delay(sampleEveryMs, undefined, { signal }).catch(() => {});
    }
  }

  /** The clock was set, or the machine slept: nobody knows how much time the next rates would be of. */
  #forgetWhenSet(skewMs: number): void {
    if (Math.abs(skewMs - this.#skewMs) > skewMaxMs) this.#before.clear();
    this.#skewMs = skewMs;
  }

  async #scrapeAll() {
    const targets = await this.#targets();
    for (const url of this.#before.keys())
      if (!targets.some((target) => target.url === url)) this.#before.delete(url);
    return Promise.all(targets.map((target) => this.#scrape(target)));
  }

  async #targets(): Promise<{ url: string; instance: string | null }[]> {
    const { relays } = this.#config.console;
    if (relays.length > 0) return relays.map((url) => ({ url: url.replace(/\/$/, ''), instance: null }));
    // Postgres away: the page says so, and the relays known so far are asked on.
    const known = await this.#known();
    if (known === undefined) return this.#sampled.relays.map(({ url, instance }) => ({ url, instance }));
    return known
      .filter(({ isGone, state, httpAddress }) => !isGone && state !== 'stopped' && httpAddress !== '')
      .map(({ httpAddress, instance }) => ({ url: `http://${reachable(httpAddress)}`, instance }));
  }

  /** undefined where Postgres does not answer, or not in time: the next sample must not wait for it. */
  async #known() {
    const late = new AbortController();
    const waited = delay(listTimeoutMs, undefined, { signal: late.signal }).catch(() => undefined);
    const listed = listRelays(this.#config).catch(() => undefined);
    return Promise.race([listed, waited]).finally(() => late.abort());
  }

  async #scrape({ url, instance }: { url: string; instance: string | null }) {
    try {
      const signal = abortAfter(scrapeTimeoutMs, this.#ending.signal);
      const answer = await fetch(`${url}/metrics`, { signal });
      if (!answer.ok) throw new Error(`it answers ${answer.status}`);
      const scrape = { atMs: performance.now(), samples: parseSamples(await textOf(answer), isWanted) };
      const before = this.#before.get(url);
      this.#before.set(url, scrape);
      return { url, instance, failure: null, ...figuresOf(before, scrape) };
    } catch (error) {
      this.#before.delete(url);
      return { url, instance, failure: reasonOf(error), figures: noFigures, relay: null };
    }
  }
}

/** A relay that listens on every address announces one that leads nowhere from elsewhere; on this machine it is loopback. */
function reachable(address: string): string {
  return address
    .replace(/^(0\.0\.0\.0|::):(\d+)$/, (_, host: string, port: string) =>
      host === '::' ? `[::1]:${port}` : `127.0.0.1:${port}`,
    )
    .replace(/^(?!\[)(.*:.*):(\d+)$/, '[$1]:$2');
}

async function textOf(answer: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of answer.body ?? []) {
    bytes += chunk.length;
    if (bytes > scrapeBytesMax) throw new Error('its metrics are too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'it cannot be read';
  if (error.name === 'TimeoutError') return 'it does not answer in time';
  const { code } = (error.cause ?? {}) as NodeJS.ErrnoException;
  return code === undefined ? error.message : `it cannot be reached (${code})`;
}
