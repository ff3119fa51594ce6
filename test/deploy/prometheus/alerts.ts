/** What a test of the alerts needs: a Prometheus that scrapes the relays of all scenes, and waits for an alert of a slot. */
import { type Alert, alerts } from '../../../harness/prometheus.ts';
import type { RelayProcess } from '../../../harness/relay-process.ts';
import { waitFor } from '../../../harness/wait.ts';
import { type Prometheus, startPrometheus } from '../../../stack/prometheus.ts';

/** Often enough for a window of 10 min that is hastened to 5 s, seldom enough for two cores. */
const intervalMs = 250;
const waitMs = 120_000;

export class AlertWatch implements AsyncDisposable {
  readonly #prometheus: Prometheus;
  readonly #targets = new Set<string>();

  private constructor(prometheus: Prometheus) {
    this.#prometheus = prometheus;
  }

  static async start(rules: string): Promise<AlertWatch> {
    return new AlertWatch(await startPrometheus({ rules, intervalMs }));
  }

  get url(): string {
    return this.#prometheus.url;
  }

  /** Scrapes the relay, until it is killed and `forget` is called with it. */
  async scrape(relay: RelayProcess): Promise<void> {
    this.#targets.add(new URL(relay.url).host);
    await this.#prometheus.scrape([...this.#targets]);
  }

  async forget(relay: RelayProcess): Promise<void> {
    this.#targets.delete(new URL(relay.url).host);
    await this.#prometheus.scrape([...this.#targets]);
  }

  /** Resolves with the alert when it fires for the slot, or for no slot where it names none. */
  async fires(name: string, slot: string | undefined): Promise<Alert> {
    let found: Alert | undefined;
    const isThere = async () => {
      found = (await this.#firing(slot)).find((alert) => alert.name === name);
      return found !== undefined;
    };
    await waitFor(isThere, `${name} to fire for ${slot}`, waitMs);
    return found!;
  }

  async clears(name: string, slot: string | undefined): Promise<void> {
    const isGone = async () => (await this.#firing(slot)).every((alert) => alert.name !== name);
    await waitFor(isGone, `${name} to clear for ${slot}`, waitMs);
  }

  /** Resolves when no alert fires for the slot, but for the one that is left out. */
  async quiet(slot: string | undefined, except?: string): Promise<void> {
    let names: string[] = [];
    const isQuiet = async () => {
      names = (await this.#firing(slot)).map(({ name }) => name).filter((name) => name !== except);
      return names.length === 0;
    };
    await waitFor(isQuiet, `${slot} to be quiet`, waitMs).catch((error: Error) => {
      throw new Error(`${error.message}: ${names.join(', ')} fire`);
    });
  }

  async #firing(slot: string | undefined): Promise<Alert[]> {
    const all = await alerts(this.url);
    return all.filter(({ state, labels }) => state === 'firing' && labels.slot === slot);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#prometheus.stop();
  }
}
