/** Owns a real Prometheus that scrapes and evaluates rules as often as a test likes, on a free loopback port. */
import { rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { stringify } from 'yaml';
import { freePort } from './port.ts';
import type { Progress } from './progress.ts';
import { prometheusPrograms } from './prometheus-programs.ts';
import { inRun, type Run, untilReady } from './run.ts';

export type PrometheusOptions = {
  /** The text of a file of rules. */
  readonly rules?: string;
  /** Between two scrapes, and between two evaluations of the rules. */
  readonly intervalMs: number;
  /** Of the scrapes; `outbox-relay` by default. */
  readonly job?: string;
  readonly onProgress?: Progress;
  /** The run it belongs to; by default its own, which ends with `stop`. */
  readonly run?: Run;
};

export type Prometheus = AsyncDisposable & {
  readonly url: string;
  /** Scrapes these from now on, each as `host:port`, and no others. */
  scrape(targets: readonly string[]): Promise<void>;
  stop(): Promise<void>;
};

const readyWithinMs = 60_000;

/** Starts it and resolves when it answers. @throws with the end of its log when it does not come up */
export function startPrometheus(options: PrometheusOptions): Promise<Prometheus> {
  return inRun(options.run, (run, onStopped) => start(options, run, onStopped));
}

async function start(
  options: PrometheusOptions,
  run: Run,
  onStopped: () => Promise<void>,
): Promise<Prometheus> {
  const { prometheus: command } = await prometheusPrograms(options.onProgress);
  const port = await freePort();
  const inDir = (name: string) => path.join(run.dir, `prometheus-${port}-${name}`);
  const [config, rules, targets] = [inDir('config.yaml'), inDir('rules.yaml'), inDir('targets.json')];
  let writes = 0;
  const scrape = async (addresses: readonly string[]) => {
    const written = `${targets}.${writes++}`;
    await writeFile(written, JSON.stringify([{ targets: addresses }]));
    await rename(written, targets); // it must never read half of it
  };
  await scrape([]);
  if (options.rules !== undefined) await writeFile(rules, options.rules);
  const interval = `${options.intervalMs}ms`;
  await writeFile(
    config,
    stringify({
      global: { scrape_interval: interval, scrape_timeout: interval, evaluation_interval: interval },
      rule_files: options.rules === undefined ? [] : [rules],
      scrape_configs: [
        {
          job_name: options.job ?? 'outbox-relay',
          file_sd_configs: [{ files: [targets], refresh_interval: '1s' }],
        },
      ],
    }),
  );
  const url = `http://127.0.0.1:${port}`;
  const server = run.start({
    name: `prometheus-${port}`,
    command,
    args: [
      `--config.file=${config}`,
      `--storage.tsdb.path=${inDir('data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
  });
  await untilReady(server, () => isReady(url), readyWithinMs);
  const prometheus: Prometheus = {
    url,
    scrape,
    async stop() {
      await server.end('SIGKILL'); // nobody reads its data again
      await onStopped();
    },
    [Symbol.asyncDispose]() {
      return prometheus.stop();
    },
  };
  return prometheus;
}

async function isReady(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/-/ready`, { signal: AbortSignal.timeout(5_000) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}
