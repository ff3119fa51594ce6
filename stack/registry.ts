/** Owns a real schema registry (Apicurio, in memory) that serves the Confluent API on a free loopback port. */
import { createContainer, uniqueName } from './container.ts';
import { images, serverSource } from './fetch.ts';
import { javaCommand } from './java.ts';
import { freePort } from './port.ts';
import type { Progress } from './progress.ts';
import { inRun, type Run, type Server, untilReady } from './run.ts';

export type RegistryOptions = {
  readonly port?: number;
  /** Start faster and run slower (no optimising compiler): for tests, never for figures. */
  readonly quickStart?: boolean;
  /** The compatibility level of every subject; without it Apicurio's own, which is NONE. */
  readonly level?: 'BACKWARD';
  readonly onProgress?: Progress;
  /** The run it belongs to; by default its own, which ends with `stop`. */
  readonly run?: Run;
};

export type Registry = AsyncDisposable & {
  /** Base of the Confluent API: `http://127.0.0.1:port/apis/ccompat/v7`. */
  readonly url: string;
  readonly port: number;
  /** Changes with `restart`. */
  readonly pid: number;
  stop(): Promise<void>;
  /** Restarts it on the same port. Its schemas are in memory and are lost. */
  restart(): Promise<void>;
  /** After `SIGSTOP` it accepts connections and never answers; `SIGCONT` brings it back with its schemas. */
  kill(signal: NodeJS.Signals): void;
};

const readyWithinMs = 90_000;

/** Starts a registry and resolves when it answers. @throws with the end of its log when it does not come up. */
export function startRegistry(options: RegistryOptions = {}): Promise<Registry> {
  return inRun(options.run, (run, onStopped) => start(options, run, onStopped));
}

async function start(options: RegistryOptions, run: Run, onStopped: () => Promise<void>): Promise<Registry> {
  const port = options.port ?? (await freePort());
  const url = `http://127.0.0.1:${port}/apis/ccompat/v7`;
  const launch = await launcher(options, run, port);
  options.onProgress?.('starting the schema registry');
  const boot = async () => {
    const started = launch();
    await untilReady(started, () => answers(url), readyWithinMs);
    if (options.level !== undefined) await setLevel(url, options.level);
    return started;
  };
  let server = await boot();
  const registry: Registry = {
    url,
    port,
    get pid() {
      return server.pid;
    },
    async stop() {
      await server.end('SIGKILL'); // all it has is in memory
      await onStopped();
    },
    async restart() {
      await server.end('SIGKILL');
      server = await boot();
    },
    kill: (signal) => server.kill(signal),
    [Symbol.asyncDispose]() {
      return registry.stop();
    },
  };
  return registry;
}

async function launcher(options: RegistryOptions, run: Run, port: number): Promise<() => Server> {
  const source = await serverSource(options.onProgress);
  if (source.kind === 'docker') {
    const { registry: image } = await images();
    options.onProgress?.(`creating a container of ${image}`);
    return createContainer(run, { name: uniqueName('registry'), image, ports: { 8080: port } });
  }
  const jvm = ['-Xmx256m', '-XX:+UseSerialGC', ...(options.quickStart ? ['-XX:TieredStopAtLevel=1'] : [])];
  const settings = ['-Dquarkus.http.host=127.0.0.1', `-Dquarkus.http.port=${port}`];
  return () =>
    run.start({
      name: `registry-${port}`,
      command: javaCommand(),
      args: [...jvm, ...settings, '-jar', source.registryJar],
    });
}

/** Through the Confluent API, which then tells the level; with REGISTRY_RULES_GLOBAL_COMPATIBILITY it would say NONE. */
async function setLevel(url: string, compatibility: string): Promise<void> {
  const response = await fetch(`${url}/config`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ compatibility }),
  });
  if (!response.ok) throw new Error(`the registry at ${url} does not take a level: ${await response.text()}`);
}

/** @param url base of the Confluent API */
export async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/subjects`, { signal: AbortSignal.timeout(5_000) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}
