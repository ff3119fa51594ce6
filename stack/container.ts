/** Owns running a server from a public image, for machines that have a Docker engine but no Java. */
import { execFile, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import type { Run, Server } from './run.ts';

const execFileAsync = promisify(execFile);

export type ContainerSpec = {
  readonly name: string;
  readonly image: string;
  /** Port of the container → port published on 127.0.0.1. */
  readonly ports: Readonly<Record<number, number>>;
  readonly env?: Readonly<Record<string, string | number>>;
  readonly network?: string;
  readonly command?: readonly string[];
};

/** A name for a container or network that no other run uses. */
export function uniqueName(part: string): string {
  return `outbox-relay-${part}-${randomBytes(4).toString('hex')}`;
}

/** Makes a network whose containers reach each other by name; it goes with the run. */
export async function createNetwork(run: Run): Promise<string> {
  const name = uniqueName('network');
  run.addNetwork(name);
  await execFileAsync('docker', ['network', 'create', name]);
  return name;
}

/** Creates the container, pulling its image if need be, and returns what starts it, again and again. */
export async function createContainer(run: Run, spec: ContainerSpec): Promise<() => Server> {
  run.addContainer(spec.name);
  const ports = Object.entries(spec.ports).flatMap(([inner, outer]) => ['-p', `127.0.0.1:${outer}:${inner}`]);
  const env = Object.entries(spec.env ?? {}).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
  const network = spec.network === undefined ? [] : ['--network', spec.network];
  const args = [
    'create',
    '--name',
    spec.name,
    ...network,
    ...ports,
    ...env,
    spec.image,
    ...(spec.command ?? []),
  ];
  await execFileAsync('docker', args);
  return () => {
    const client = run.start({ name: spec.name, command: 'docker', args: ['start', '--attach', spec.name] });
    return serverOf(client, spec.name);
  };
}

/** Signals go to what runs in the container, not to the client that shows its output. */
function serverOf(client: Server, name: string): Server {
  const kill = (signal: NodeJS.Signals) => {
    if (client.running) execFileSync('docker', ['kill', `--signal=${signal}`, name], { stdio: 'ignore' });
  };
  return {
    name,
    pid: client.pid,
    exited: client.exited,
    logFile: client.logFile,
    get running() {
      return client.running;
    },
    kill,
    async end(signal, graceMs = 10_000) {
      if (!client.running) return;
      kill(signal);
      const timer = setTimeout(() => kill('SIGKILL'), graceMs);
      await client.exited;
      clearTimeout(timer);
    },
  };
}
