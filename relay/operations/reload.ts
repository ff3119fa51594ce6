/**
 * Owns when a running relay reads its configuration again: on SIGHUP, and when the content of the file changes. Promise: a
 * file that is invalid, or that somebody is just writing, changes nothing.
 *
 * It compares contents rather than watching the file: where a ConfigMap of Kubernetes is mounted, the file is behind two
 * symbolic links of which one is replaced, and a watcher of the file hears nothing of that.
 */
import { readFileSync } from 'node:fs';
import { applyReloadable, type Config } from '../config/config.ts';
import { asRelayError } from '../errors.ts';
import type { ConfigRead } from '../observe/facts.ts';
import type { RelayObserver } from '../observe/observer.ts';

/** A file of some kilobytes: a look takes 0.1 ms. */
const lookMs = 2_000;

export type ReloadOptions = {
  /** What runs. It is changed in place. */
  readonly config: Config;
  /** undefined where the configuration comes from the environment alone. */
  readonly file: string | undefined;
  /** @throws RelayError CONFIG_INVALID */
  readonly load: () => Config;
  readonly observer: RelayObserver;
  /** Called when settings have changed. */
  readonly onApplied: () => void;
};

export class ConfigReload {
  readonly #use: ReloadOptions;
  /** Content that was read, or that the relay started with. */
  #read: string | undefined;
  /** Content at the latest look. */
  #seen: string | undefined;

  constructor(options: ReloadOptions) {
    this.#use = options;
    this.#read = this.#content();
    this.#seen = this.#read;
  }

  /** Reads it now, whatever the file holds. */
  reload(): void {
    this.#read = this.#content();
    this.#seen = this.#read;
    this.#use.observer.configRead?.(this.#apply());
  }

  /**
   * Reads it if the file is not what it was. What is the same at two looks is written to its end; a file that is missing is
   * about to be replaced.
   */
  look(): void {
    const content = this.#content();
    const isSettled = content === this.#seen;
    this.#seen = content;
    if (isSettled && content !== undefined && content !== this.#read) this.reload();
  }

  /** Looks until the signal, and reads on SIGHUP. */
  watch(signal: AbortSignal): void {
    const timer = setInterval(() => this.look(), lookMs);
    timer.unref();
    const onHangup = () => this.reload();
    process.on('SIGHUP', onHangup);
    signal.addEventListener('abort', () => {
      clearInterval(timer);
      process.off('SIGHUP', onHangup);
    });
  }

  #apply(): ConfigRead {
    const { config, load, onApplied } = this.#use;
    try {
      const reloaded = applyReloadable(config, load());
      if (reloaded.applied.length === 0) return { result: 'unchanged', ...reloaded };
      onApplied();
      return { result: 'applied', ...reloaded };
    } catch (error) {
      return { result: 'rejected', failure: asRelayError(error) };
    }
  }

  #content(): string | undefined {
    const { file } = this.#use;
    if (file === undefined) return undefined;
    try {
      return readFileSync(file, 'utf8');
    } catch {
      return undefined;
    }
  }
}
