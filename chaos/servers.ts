/**
 * The servers of a run, started once and used by every fault: Postgres, three Kafka brokers and a registry, each behind
 * a proxy that only the relay uses; writers and checks bypass it. The relay connects to Kafka through a listener of its
 * own, advertised at the proxies' ports, as the user `relay`, so that a fault can revoke its rights.
 */
import { rm } from 'node:fs/promises';
import { Kafka as KafkaClient, logLevel } from 'kafkajs';
import pg from 'pg';
import { BrokerConnection, findController, findCoordinator, readMetadata } from '../harness/kafka-wire.ts';
import { RegistryGate } from '../harness/registry-gate.ts';
import { inheritedEnv } from '../harness/relay-process.ts';
import { TcpProxy } from '../harness/tcp-proxy.ts';
import { type Kafka, type KafkaNode, startKafka } from '../stack/kafka.ts';
import { freePort } from '../stack/port.ts';
import { type Postgres, startPostgres } from '../stack/postgres.ts';
import { type Registry, startRegistry } from '../stack/registry.ts';
import { openRun } from '../stack/run.ts';
import { Wiretap } from './wiretap.ts';

/** The proxies between the relay and its servers. */
export type Network = {
  readonly postgres: TcpProxy;
  /** By node id. */
  readonly kafka: ReadonlyMap<number, TcpProxy>;
  readonly registry: RegistryGate;
  /** Records what the relays send to Postgres, and what Kafka answers. */
  readonly wiretap: Wiretap;
};

export type Servers = AsyncDisposable & {
  readonly postgres: Postgres;
  readonly kafka: Kafka;
  readonly registry: Registry;
  readonly network: Network;
  /** For writers and checks: never disturbed, but it can be switched to another server. */
  readonly postgresDoor: TcpProxy;
  /** As a superuser, not through the proxies. */
  readonly kafkaClient: KafkaClient;
  /** The URL of a database for the relay, and for everything else. */
  databaseUrls(name: string): { readonly relay: string; readonly direct: string };
  /** Puts a copy of Postgres at its address, for all users, until `home`. */
  replacePostgres(copy: Postgres): void;
  /** Ends the copies that took the place of Postgres, and restarts the original; at the end of a world. */
  home(): Promise<void>;
  /** Environment of a relay: addresses and credentials, without a database. */
  readonly relayEnv: Readonly<Record<string, string>>;
  leader(topic: string, partition: number): Promise<KafkaNode>;
  coordinator(transactionalId: string): Promise<KafkaNode>;
  controller(): Promise<KafkaNode>;
  /** Ends every disturbance of the network and of the registry. */
  calm(): void;
};

const user = 'relay';
const password = 'relay-of-the-chaos-run';
const nodeIds = [1, 2, 3];
const askMs = 2_000;

export async function startServers(onProgress?: (what: string) => void): Promise<Servers> {
  const run = await openRun();
  const progress = onProgress === undefined ? {} : { onProgress };
  try {
    const ways = new Map<number, { proxy: TcpProxy; port: number }>();
    for (const id of nodeIds) {
      const port = await freePort();
      ways.set(id, { proxy: await TcpProxy.open(port, true), port });
    }
    const [postgres, kafka, registry] = await Promise.all([
      // No fault cuts the power, so what the process wrote survives.
      startPostgres({
        run,
        settings: {
          fsync: 'off',
          full_page_writes: 'off',
          max_wal_senders: 40,
          track_commit_timestamp: 'on',
        },
      }),
      startKafka({
        run,
        ...progress,
        brokers: 3,
        heapMb: 300,
        quickStart: true,
        settings: clusterSettings,
        nodeSettings: ({ id, port, controllerPort }) => {
          const way = ways.get(id)!;
          return {
            listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort},RELAY://127.0.0.1:${way.port}`,
            'advertised.listeners': `PLAINTEXT://127.0.0.1:${port},RELAY://127.0.0.1:${way.proxy.port}`,
          };
        },
      }),
      startRegistry({ run, quickStart: true }),
    ]);
    const network: Network = {
      postgres: await TcpProxy.open(postgres.port),
      kafka: new Map([...ways].map(([id, { proxy }]) => [id, proxy])),
      registry: await RegistryGate.open(registry.url),
      wiretap: new Wiretap(),
    };
    const { wiretap } = network;
    network.postgres.listen = () => wiretap.postgres();
    for (const proxy of network.kafka.values()) proxy.listen = () => wiretap.kafka();
    const postgresDoor = await TcpProxy.open(postgres.port);
    return assemble({ postgres, kafka, registry, network, postgresDoor, end: () => run.end() });
  } catch (error) {
    await run.end();
    throw error;
  }
}

const clusterSettings = {
  'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,RELAY:SASL_PLAINTEXT',
  'inter.broker.listener.name': 'PLAINTEXT',
  'listener.name.relay.sasl.enabled.mechanisms': 'PLAIN',
  'listener.name.relay.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required user_${user}="${password}";`,
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'super.users': 'User:ANONYMOUS',
  'allow.everyone.if.no.acl.found': true,
  // Kafka forgets a producer that is idle for longer; the default is a week.
  'transactional.id.expiration.ms': 8_000,
  'transaction.remove.expired.transaction.cleanup.interval.ms': 1_000,
} as const;

type Parts = Pick<Servers, 'postgres' | 'kafka' | 'registry' | 'network' | 'postgresDoor'> & {
  readonly end: () => Promise<void>;
};

function assemble({ postgres, kafka, registry, network, postgresDoor, end }: Parts): Servers {
  const kafkaClient = new KafkaClient({
    clientId: 'chaos',
    brokers: kafka.brokers,
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 100, retries: 12 },
  });
  const node = (id: number) => {
    const found = kafka.nodes.find((candidate) => candidate.id === id);
    if (found === undefined) throw new Error(`no broker ${id}`);
    return found;
  };
  const proxies = [network.postgres, postgresDoor, ...network.kafka.values()];
  const copies: Postgres[] = [];
  const lead = (port: number) => {
    for (const way of [network.postgres, postgresDoor]) {
      way.targetPort = port;
      way.reset();
    }
  };
  return {
    postgres,
    kafka,
    registry,
    network,
    postgresDoor,
    kafkaClient,
    databaseUrls(name) {
      const at = (port: number) => {
        const url = new URL(postgres.url);
        url.pathname = `/${name}`;
        url.port = String(port);
        return url.href;
      };
      return { relay: at(network.postgres.port), direct: at(postgresDoor.port) };
    },
    replacePostgres(copy) {
      copies.push(copy);
      lead(copy.port);
    },
    async home() {
      if (copies.length === 0) return;
      for (const copy of copies.splice(0)) {
        await copy.stop({ mode: 'immediate' });
        await rm(copy.dataDir, { recursive: true, force: true });
      }
      await postgres.restart({ mode: 'immediate' });
      await forgetStandbys(postgres.url);
      lead(postgres.port);
    },
    relayEnv: {
      ...inheritedEnv(),
      KAFKA_BROKERS: [...network.kafka.values()].map(({ port }) => `127.0.0.1:${port}`).join(','),
      SCHEMA_REGISTRY_URL: network.registry.url,
      OUTBOX_RELAY_KAFKA_SASL_MECHANISM: 'plain',
      OUTBOX_RELAY_KAFKA_SASL_USERNAME: user,
      OUTBOX_RELAY_KAFKA_SASL_PASSWORD: password,
    },
    leader: async (topic, partition) =>
      node(
        await askAny(kafka, async (connection) => {
          const { leaders } = await readMetadata(connection, [topic], askMs);
          const nodeId = leaders.find((leader) => leader.partition === partition)?.nodeId ?? -1;
          if (nodeId < 0) throw new Error(`${topic} has no leader`);
          return nodeId;
        }),
      ),
    coordinator: async (transactionalId) =>
      node(await askAny(kafka, (connection) => findCoordinator(connection, transactionalId, askMs))),
    controller: async () => node(await askAny(kafka, (connection) => findController(connection, askMs))),
    calm() {
      for (const proxy of proxies) proxy.calm();
      network.registry.mood = 'well';
    },
    async [Symbol.asyncDispose]() {
      for (const proxy of proxies) proxy.close();
      network.registry.close();
      await end();
    },
  };
}

/** Resets the settings that wait for standbys, and drops the slots that keep WAL for them. */
async function forgetStandbys(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query('alter system reset all');
    await client.query('select pg_reload_conf()');
    await client.query(
      `select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_type = 'physical'`,
    );
  } finally {
    await client.end();
  }
}

/** The Kafka principal of the relays. */
export const relayPrincipal = `User:${user}`;

/** The first broker that answers. */
export async function askAny<T>(kafka: Kafka, ask: (connection: BrokerConnection) => Promise<T>): Promise<T> {
  const failures: unknown[] = [];
  for (const address of kafka.brokers) {
    try {
      const connection = await BrokerConnection.open(address, askMs);
      try {
        return await ask(connection);
      } finally {
        connection.close();
      }
    } catch (error) {
      failures.push(error);
    }
  }
  throw new AggregateError(failures, 'no broker answered');
}
