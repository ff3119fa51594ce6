/** Owns a real Kafka cluster (KRaft) of one or three brokers on free loopback ports, in the run's folder. */
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { type Admin, Kafka as KafkaClient, logLevel } from 'kafkajs';
import { createContainer, createNetwork, uniqueName } from './container.ts';
import { images, type ServerSource, serverSource } from './fetch.ts';
import { javaCommand } from './java.ts';
import { archiveArgs } from './kafka-classes.ts';
import { formatData, kafkaId } from './kafka-format.ts';
import { freePort } from './port.ts';
import type { Progress } from './progress.ts';
import { inRun, type Run, type Server, untilReady } from './run.ts';

const execFileAsync = promisify(execFile);

export type KafkaOptions = {
  /** 1 (default), or 3 for replication: each is broker and controller. */
  readonly brokers?: 1 | 3;
  /** Heap of each broker; 512 for one, 300 each for three by default. */
  readonly heapMb?: number;
  /** Broker settings as in server.properties, over the ones below. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
  /**
   * Further listeners on loopback, each with its security protocol, for example `{ SECURED: 'SASL_SSL' }`; what that
   * needs is among `settings`, as `listener.name.secured.…`. The nodes use the plain one among themselves.
   */
  readonly listeners?: Readonly<Record<string, 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL'>>;
  /**
   * Settings that differ from broker to broker, over all others; for brokers that run as processes, not in containers.
   */
  readonly nodeSettings?: (node: {
    readonly id: number;
    readonly port: number;
    readonly controllerPort: number;
  }) => Readonly<Record<string, string | number | boolean>>;
  /** Further arguments for the JVM of each broker, such as system properties. */
  readonly jvmArgs?: readonly string[];
  /** For tests, never for figures: starts faster, runs slower (no optimising compiler), notices a dead broker in 4 s. */
  readonly quickStart?: boolean;
  readonly onProgress?: Progress;
  /** The run it belongs to; by default its own, which ends with `stop`. */
  readonly run?: Run;
};

export type KafkaNode = {
  readonly id: number;
  /** `127.0.0.1:port`; kept over restarts. */
  readonly address: string;
  /** Changes with `restart`. */
  readonly pid: number;
  kill(signal: NodeJS.Signals): void;
  /** Starts it again with its data, after a clean stop if it still runs; resolves when the cluster has it back. */
  restart(): Promise<void>;
};

export type Kafka = AsyncDisposable & {
  readonly brokers: string[];
  /** Addresses of a further listener, one a broker. @throws where there is none of the name */
  brokersOf(listener: string): string[];
  readonly nodes: KafkaNode[];
  /** Lines that contain the text in the logs of the brokers, as far back as the start of the cluster. */
  logLines(text: string): Promise<string[]>;
  /** Runs one of Kafka's own command line classes, as `kafka.tools.DumpLogSegments`. @throws unless it exits with 0. */
  tool(className: string, args: readonly string[]): Promise<{ stdout: string; stderr: string }>;
  /** @param options.clean has each broker end by itself, which takes seconds; its data goes all the same */
  stop(options?: { readonly clean?: boolean }): Promise<void>;
};

type Listener = { readonly name: string; readonly protocol: string; readonly port: number };
type NodePlan = {
  readonly id: number;
  readonly port: number;
  readonly controllerPort: number;
  readonly listeners: readonly Listener[];
};
type Settings = Readonly<Record<string, string | number | boolean>>;
type Cluster = {
  readonly nodes: readonly NodePlan[];
  readonly boot: (node: NodePlan) => Server;
  readonly tool: Kafka['tool'];
};

// Each of three brokers on two cores may take this long when tests load the machine; one alone needs 4 s.
const readyWithinMs = 90_000;

/** Starts the cluster and resolves when every broker answers. @throws with the end of a broker's log otherwise. */
export async function startKafka(options: KafkaOptions = {}): Promise<Kafka> {
  const source = await serverSource(options.onProgress);
  if (source.kind !== 'jars' || !options.quickStart) return start(options, source);
  const archive = await archiveArgs(source.kafkaClasses, loadClasses, options.onProgress);
  return start({ ...options, jvmArgs: [...archive, ...(options.jvmArgs ?? [])] }, source);
}

/** Starts a broker, and ends it so that its JVM does what it does at its exit. */
async function loadClasses(run: Run, jvmArgs: readonly string[]): Promise<void> {
  const kafka = await start({ run, quickStart: true, jvmArgs }, await serverSource());
  await kafka.stop({ clean: true });
}

function start(options: KafkaOptions, source: ServerSource): Promise<Kafka> {
  return inRun(options.run, async (run, onStopped) => {
    const nodes = await plan(options.brokers ?? 1, options.listeners ?? {});
    options.onProgress?.(`starting Kafka (${nodes.length === 1 ? 'one broker' : `${nodes.length} brokers`})`);
    const cluster = await (source.kind === 'jars'
      ? jarCluster(nodes, source, run, options)
      : containerCluster(nodes, run, options));
    return await bootAll(cluster, onStopped);
  });
}

async function plan(count: number, wanted: NonNullable<KafkaOptions['listeners']>): Promise<NodePlan[]> {
  const nodes: NodePlan[] = [];
  for (let id = 1; id <= count; id += 1) {
    const listeners: Listener[] = [];
    for (const [name, protocol] of Object.entries(wanted))
      listeners.push({ name, protocol, port: await freePort() });
    nodes.push({ id, port: await freePort(), controllerPort: await freePort(), listeners });
  }
  return nodes;
}

/** What a coordinator logs when it takes a partition without a leader for a deleted one: KAFKA-20734. */
export const leftOutMarker = "Couldn't find leader endpoint for partitions";

async function bootAll(cluster: Cluster, onStopped: () => Promise<void>): Promise<Kafka> {
  const servers = new Map<number, Server>();
  const start = async (node: NodePlan) => {
    const server = cluster.boot(node);
    servers.set(node.id, server);
    await untilReady(server, () => sees(addressOf(node), cluster.nodes.length, node.id), readyWithinMs);
  };
  await Promise.all(cluster.nodes.map(start));

  const serverOf = (node: NodePlan): Server => {
    const server = servers.get(node.id);
    if (server === undefined) throw new Error(`Kafka node ${node.id} was never started`);
    return server;
  };
  const kafka: Kafka = {
    brokers: cluster.nodes.map(addressOf),
    brokersOf: (listener) => cluster.nodes.map((node) => addressAt(node, listener)),
    nodes: cluster.nodes.map((node) => ({
      id: node.id,
      address: addressOf(node),
      get pid() {
        return serverOf(node).pid;
      },
      kill: (signal) => serverOf(node).kill(signal),
      async restart() {
        await serverOf(node).end('SIGTERM', 30_000);
        await start(node);
      },
    })),
    async logLines(text) {
      const logs = await Promise.all([...servers.values()].map(({ logFile }) => readFile(logFile, 'utf8')));
      return logs.flatMap((log) => log.split('\n')).filter((line) => line.includes(text));
    },
    tool: cluster.tool,
    async stop({ clean = false } = {}) {
      const end = (server: Server) => (clean ? server.end('SIGTERM', 60_000) : server.end('SIGKILL'));
      await Promise.all([...servers.values()].map(end));
      await onStopped();
    },
    [Symbol.asyncDispose]() {
      return kafka.stop();
    },
  };
  return kafka;
}

function addressOf(node: NodePlan): string {
  return `127.0.0.1:${node.port}`;
}

function addressAt({ listeners }: NodePlan, wanted: string): string {
  const found = listeners.find(({ name }) => name === wanted);
  if (found === undefined) throw new Error(`Kafka was started without a listener ${wanted}`);
  return `127.0.0.1:${found.port}`;
}

/** What every node has, whichever way it runs. */
function baseSettings(count: number): Settings {
  const replicas = count;
  const minInSync = count === 1 ? 1 : 2;
  return {
    'process.roles': 'broker,controller',
    'controller.listener.names': 'CONTROLLER',
    'auto.create.topics.enable': false,
    'num.partitions': 1,
    'default.replication.factor': replicas,
    'min.insync.replicas': minInSync,
    // The defaults of 50 partitions each cost a second at the first transaction.
    'offsets.topic.num.partitions': 5,
    'offsets.topic.replication.factor': replicas,
    'transaction.state.log.num.partitions': 5,
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': minInSync,
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': minInSync,
    'group.initial.rebalance.delay.ms': 0,
    // Default 10 s: how long after its timeout a dead producer's transaction still hides what follows it.
    'transaction.abort.timed.out.transaction.cleanup.interval.ms': 500,
    // Default 128 MB, of a heap of 300: progress topics are small.
    'log.cleaner.dedupe.buffer.size': 16 * 1024 * 1024,
  };
}

async function jarCluster(
  nodes: readonly NodePlan[],
  source: Extract<ServerSource, { kind: 'jars' }>,
  run: Run,
  options: KafkaOptions,
): Promise<Cluster> {
  const clusterId = kafkaId();
  const root = path.join(run.dir, `kafka-${nodes[0]?.port}`);
  const config = (node: NodePlan) => path.join(root, `${node.id}.properties`);
  const java = (jvmArgs: readonly string[], main: string, args: readonly string[]) =>
    execFileAsync(javaCommand(), ['-cp', source.kafkaClassPath, ...logToStderr, ...jvmArgs, main, ...args], {
      maxBuffer: 256 * 1024 * 1024,
    });

  await mkdir(root, { recursive: true });
  const format = async (node: NodePlan) => {
    const own = {
      ...(options.quickStart ? quickFailover : {}),
      ...options.settings,
      ...options.nodeSettings?.(node),
    };
    const settings = jarSettings(node, nodes, root, own);
    await writeFile(config(node), properties(settings));
    await formatData(
      { folder: dataFolder(root, node), clusterId, nodeId: node.id },
      source.kafkaFormat,
      async (configFile, id) => {
        const args = ['format', '--cluster-id', id, '--config', configFile];
        await java(quickJvm, 'kafka.tools.StorageTool', args);
      },
      (folder) => properties({ ...settings, 'log.dirs': folder }),
      options.onProgress,
    );
  };
  await Promise.all(nodes.map(format));

  const heapMb = options.heapMb ?? (nodes.length === 1 ? 512 : 300);
  const { jvmArgs = [], quickStart } = options;
  const jvm = [
    `-Xmx${heapMb}m`,
    `-Xms${heapMb}m`,
    ...logToStderr,
    ...(quickStart ? quickJvm : []),
    ...jvmArgs,
  ];
  return {
    nodes,
    boot: (node) =>
      run.start({
        name: `kafka-${node.port}`,
        command: javaCommand(),
        args: ['-cp', source.kafkaClassPath, ...jvm, 'kafka.Kafka', config(node)],
      }),
    tool: (className, args) => java(quickJvm, className, args),
  };
}

// Default 2 s and 9 s: how long the cluster waits for a dead broker before it elects other leaders.
const quickFailover = { 'broker.heartbeat.interval.ms': 500, 'broker.session.timeout.ms': 4_000 };
const quickJvm = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto'];
const logToStderr = [
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
  // It says so there when it leaves a marker out.
  '-Dorg.slf4j.simpleLogger.log.kafka.coordinator.transaction.TransactionMarkerChannelManager=info',
  '-Dorg.slf4j.simpleLogger.showDateTime=true',
];

const dataFolder = (root: string, node: NodePlan) => path.join(root, `data-${node.id}`);

function jarSettings(node: NodePlan, nodes: readonly NodePlan[], root: string, own: Settings): Settings {
  return {
    ...baseSettings(nodes.length),
    'node.id': node.id,
    listeners: [
      `PLAINTEXT://127.0.0.1:${node.port}`,
      `CONTROLLER://127.0.0.1:${node.controllerPort}`,
      ...node.listeners.map(({ name, port }) => `${name}://127.0.0.1:${port}`),
    ].join(','),
    'advertised.listeners': [`PLAINTEXT://127.0.0.1:${node.port}`, ...advertised(node)].join(','),
    'listener.security.protocol.map': protocols(node, 'PLAINTEXT', 'CONTROLLER'),
    'controller.quorum.voters': nodes
      .map(({ id, controllerPort }) => `${id}@127.0.0.1:${controllerPort}`)
      .join(','),
    'log.dirs': dataFolder(root, node),
    ...own,
  };
}

const advertised = ({ listeners }: NodePlan) =>
  listeners.map(({ name, port }) => `${name}://127.0.0.1:${port}`);

/** The plain ones, and the further ones of the node. */
function protocols({ listeners }: NodePlan, ...plain: readonly string[]): string {
  return [
    ...plain.map((name) => `${name}:PLAINTEXT`),
    ...listeners.map(({ name, protocol }) => `${name}:${protocol}`),
  ].join(',');
}

function properties(settings: Settings): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${onOneLine(value)}\n`)
    .join('');
}

/** Certificates have lines; Java's properties, which the container's variables become too, write them as `\\n`. */
function onOneLine(value: string | number | boolean): string {
  return String(value).replaceAll('\n', '\\n');
}

/** Clients come in by the published port, the nodes reach each other by name on a network of their own. */
async function containerCluster(
  nodes: readonly NodePlan[],
  run: Run,
  options: KafkaOptions,
): Promise<Cluster> {
  const { kafka: image } = await images();
  options.onProgress?.(`creating containers of ${image}`);
  const clusterId = kafkaId();
  const network = await createNetwork(run);
  const names = new Map(nodes.map((node) => [node.id, uniqueName(`kafka-${node.id}`)]));
  const nameOf = (node: NodePlan) => names.get(node.id) ?? '';
  const heapMb = options.heapMb ?? (nodes.length === 1 ? 512 : 300);
  const boots = new Map<number, () => Server>();
  for (const node of nodes) {
    const settings: Settings = {
      ...baseSettings(nodes.length),
      'node.id': node.id,
      listeners: [
        `PLAINTEXT://:${node.port}`,
        'INTERNAL://:9092',
        'CONTROLLER://:9093',
        ...node.listeners.map(({ name, port }) => `${name}://:${port}`),
      ].join(','),
      'advertised.listeners': [
        `PLAINTEXT://127.0.0.1:${node.port}`,
        `INTERNAL://${nameOf(node)}:9092`,
        ...advertised(node),
      ].join(','),
      'listener.security.protocol.map': protocols(node, 'PLAINTEXT', 'INTERNAL', 'CONTROLLER'),
      'inter.broker.listener.name': 'INTERNAL',
      'controller.quorum.voters': nodes.map((each) => `${each.id}@${nameOf(each)}:9093`).join(','),
      ...options.settings,
    };
    const env = {
      ...containerEnv(settings),
      CLUSTER_ID: clusterId,
      KAFKA_HEAP_OPTS: `-Xmx${heapMb}m -Xms${heapMb}m`,
      KAFKA_OPTS: (options.jvmArgs ?? []).join(' '),
    };
    const ports = Object.fromEntries([node, ...node.listeners].map(({ port }) => [port, port]));
    const spec = { name: nameOf(node), image, network, ports, env };
    boots.set(node.id, await createContainer(run, spec));
  }
  return {
    nodes,
    boot: (node) => boots.get(node.id)!(),
    tool: (className, args) =>
      execFileAsync('docker', [
        'exec',
        nameOf(nodes[0]!),
        '/opt/kafka/bin/kafka-run-class.sh',
        className,
        ...args,
      ]),
  };
}

/** The image takes `log.dirs` as `KAFKA_LOG_DIRS`, `_` as `__` and `-` as `___`. */
function containerEnv(settings: Settings): Record<string, string> {
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [
      `KAFKA_${name.toUpperCase().replaceAll('_', '__').replaceAll('-', '___').replaceAll('.', '_')}`,
      onOneLine(value),
    ]),
  );
}

/** Whether the broker at the address answers, and knows itself and all the others as alive. */
async function sees(address: string, count: number, self: number): Promise<boolean> {
  const client = new KafkaClient({
    clientId: 'outbox-relay-stack',
    brokers: [address],
    connectionTimeout: 1_000,
    requestTimeout: 5_000,
    retry: { retries: 0 },
    logLevel: logLevel.NOTHING,
  });
  const admin: Admin = client.admin();
  try {
    await admin.connect();
    const { brokers, controller } = await admin.describeCluster();
    return brokers.length === count && brokers.some(({ nodeId }) => nodeId === self) && controller !== null;
  } catch {
    return false;
  } finally {
    await admin.disconnect().catch(() => {});
  }
}
