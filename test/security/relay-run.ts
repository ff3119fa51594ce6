/** Owns relays in this process, each on a slot of its own, and everything that one of them says. */

import { loadConfig } from '../../relay/config/config.ts';
import { RegistryClient } from '../../relay/encode/registry/registry-client.ts';
import { asRelayError, type RelayError } from '../../relay/errors.ts';
import { componentLogs } from '../../relay/observe/component-logs.ts';
import { Health } from '../../relay/observe/health.ts';
import { createObserver } from '../../relay/observe/listeners.ts';
import { createLogger } from '../../relay/observe/log.ts';
import { createMetrics } from '../../relay/observe/metrics.ts';
import { check as checkAll } from '../../relay/operations/check/check.ts';
import type { Finding } from '../../relay/operations/check/finding.ts';
import { Relay } from '../../relay/relay.ts';
import { unique } from '../support/unique.ts';
import type { Env } from './secured-servers.ts';

/** Every word that was said, to be searched for what must not be among them. */
export const said: string[] = [];

export function note(text: string): string {
  said.push(text);
  return text;
}

export type RelayRun = AsyncDisposable & {
  readonly slot: string;
  /** The log so far, a line an entry. */
  readonly lines: readonly string[];
  /** Resolves when it streams; rejects with what stopped it before that. */
  readonly streaming: Promise<void>;
  /** The error that stopped it, and how long after its start. Never rejects; never resolves while it runs on. */
  readonly stopped: Promise<{ readonly error: RelayError; readonly afterMs: number }>;
  /** Resolves when a line that holds the text was logged. */
  heard(text: string): Promise<void>;
};

export function startRelay(env: Env): RelayRun {
  const slot = unique('slot').replaceAll('-', '_');
  const startedMs = performance.now();
  const streaming = Promise.withResolvers<void>();
  const stopped = Promise.withResolvers<{ error: RelayError; afterMs: number }>();
  streaming.promise.catch(() => {});
  const lines: string[] = [];
  const listeners = new Map<string, () => void>();
  const destination = {
    write(line: string) {
      lines.push(note(line));
      if (line.includes('"state":"streaming"')) streaming.resolve();
      for (const [text, resolve] of listeners) if (line.includes(text)) resolve();
    },
  };
  const fail = (cause: unknown) => {
    const error = asRelayError(cause);
    createLogger('trace', { tty: false, destination }).fatal({ err: error }, 'stopped itself');
    note(`${error.message} ${error.hint} ${JSON.stringify(error)} ${JSON.stringify(health.ready())}`);
    streaming.reject(error);
    stopped.resolve({ error, afterMs: performance.now() - startedMs });
  };
  const ending = new AbortController();
  const health = new Health({ notReadyAfterMs: 0 });
  const metrics = createMetrics({ process: false });
  const work = (async () => {
    const { config } = loadConfig({ env: { ...env, OUTBOX_RELAY_SLOT: slot } });
    const log = createLogger('trace', { tty: false, destination });
    const observer = createObserver({ logs: componentLogs(log), metrics, health });
    const registry = new RegistryClient(config.registry);
    const relay = new Relay({ config, instance: 'test', log, observer, registry });
    await relay.run(ending.signal);
  })().catch(fail);
  return {
    slot,
    lines,
    streaming: streaming.promise,
    stopped: stopped.promise,
    heard: (text) =>
      new Promise((resolve) => {
        listeners.set(text, resolve);
        if (lines.some((line) => line.includes(text))) resolve();
      }),
    async [Symbol.asyncDispose]() {
      note(JSON.stringify(health.ready()));
      note(await metrics.registry.metrics());
      ending.abort();
      await work;
    },
  };
}

/** What `outbox-relay check` finds, without what is fine. */
export async function check(env: Env): Promise<Finding[]> {
  const { config } = loadConfig({ env: { ...env, OUTBOX_RELAY_SLOT: unique('slot') } });
  const found: Finding[] = [];
  for await (const finding of checkAll(config, 15_000)) {
    note(JSON.stringify(finding));
    if (finding.status !== 'ok') found.push(finding);
  }
  return found;
}
