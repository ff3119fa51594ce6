/** What `init` writes: the text of each file, from a few answers. */
import { hasSecret } from '../../config/mask-url.ts';
import { version } from '../../config/version.ts';
import { consumer } from './consumer.ts';
import type { Project } from './project.ts';

export type NewFile = {
  /** Below the project, with `/`. */
  readonly path: string;
  /** For a person: what it is for. */
  readonly what: string;
  readonly text: string;
};

/** Of the servers that `compose.yaml` starts. */
export const localAddresses = {
  databaseUrl: 'postgres://postgres:postgres@127.0.0.1:5432/app',
  brokers: ['127.0.0.1:9092'],
  registryUrl: 'http://127.0.0.1:8081/apis/ccompat/v7',
} as const;

export function filesOf(project: Project): readonly NewFile[] {
  const { aggregate, event, registryUrl } = project;
  const settings = { path: 'relay.yaml', what: 'the settings of the relay', text: relayYaml(project) };
  const values = {
    path: 'kubernetes/values.yaml',
    what: 'values of the Helm chart',
    text: chartValues(project),
  };
  const first = {
    path: 'consumer.mjs',
    what: 'a consumer that prints the events',
    text: consumer({ ...project, registryUrl: keepsSecret(registryUrl) ? undefined : registryUrl }),
  };
  if (project.format === 'json')
    return [
      settings,
      first,
      { path: 'compose.yaml', what: 'Postgres and Kafka to try it with', text: compose },
      values,
    ];
  return [
    settings,
    {
      path: `schemas/${aggregate}/${event}.avsc`,
      what: 'the schema of a first event',
      text: schema(project),
    },
    first,
    {
      path: 'compose.yaml',
      what: 'Postgres, Kafka and a registry to try it with',
      text: `${compose}${composeRegistry}`,
    },
    {
      path: '.github/workflows/schemas.yml',
      what: 'a job that checks schemas in CI; GitHub runs it from the root of a repository only',
      text: workflow,
    },
    values,
  ];
}

/** Whether every project has the file, whatever its first event is. */
export const isOfEvery = ({ path }: Pick<NewFile, 'path'>): boolean => !path.startsWith('schemas/');

/** JSON is YAML too, and needs no rules for quoting. */
const quoted = (value: unknown) => JSON.stringify(value);

function relayYaml({ slot, databaseUrl, brokers, format, registryUrl }: Project): string {
  return `# Settings of the outbox relay. \`outbox-relay config\` shows those in force, \`outbox-relay config --defaults\` all there are.
# \${NAME} and \${NAME:-fallback} are replaced by environment variables.

# The name of the replication slot. One slot is one stream.
slot: ${quoted(slot)}

database:
  url: ${quoted(insteadOf('DATABASE_URL', databaseUrl))}

kafka:
  brokers: ${quoted(brokers)}

${format === 'json' ? jsonRecords : registry(quoted(insteadOf('SCHEMA_REGISTRY_URL', registryUrl)))}`;
}

/** Values are the payloads as they are: nothing asks a registry. */
const jsonRecords = `records:
  format: json
`;

const registry = (url: string) => `registry:
  url: ${url}
`;

/** A secret stays out of the file. The password of `compose.yaml` is none. */
function insteadOf(variable: string, address: string): string {
  return keepsSecret(address) ? `\${${variable}}` : `\${${variable}:-${address}}`;
}

export const keepsSecret = (address: string): boolean =>
  address !== localAddresses.databaseUrl && hasSecret(address);

const isLocal = (host: string): boolean => ['127.0.0.1', 'localhost', '[::1]'].includes(host);

function schema({ aggregate, event, namespace }: Project): string {
  const record = {
    type: 'record',
    name: event,
    namespace,
    doc: `Something happened to the ${aggregate}. Replace the fields by those of your event.`,
    fields: [
      { name: 'id', type: { type: 'string', logicalType: 'uuid' } },
      { name: 'happenedAt', type: { type: 'long', logicalType: 'timestamp-micros' } },
      { name: 'note', type: ['null', 'string'], default: null },
    ],
  };
  return `${JSON.stringify(record, null, 2)}\n`;
}

/** SQL that writes an event of the first schema. Without double quotes, so that a shell takes it between two. */
export function firstEvent({ aggregate, event, namespace }: Project): string {
  const payload = "json_build_object('id', gen_random_uuid(), 'happenedAt', now())";
  return `select outbox.emit('${aggregate}', '42', '${namespace}.${event}', ${payload})`;
}

const compose = `# Servers to try the relay with: docker compose up --detach --wait
# They listen on this machine only. The password is for trying only. Kafka has one broker, so it keeps one copy.

services:
  postgres:
    image: postgres:18
    command: [postgres, -c, wal_level=logical, -c, track_commit_timestamp=on, -c, max_slot_wal_keep_size=4GB]
    environment:
      POSTGRES_DB: app
      POSTGRES_PASSWORD: postgres
    ports: ["127.0.0.1:5432:5432"]
    healthcheck:
      test: [CMD, pg_isready, --host=127.0.0.1, --username=postgres, --dbname=app]
      interval: 2s
      timeout: 5s
      retries: 30

  kafka:
    image: apache/kafka:4.3.1
    environment:
      KAFKA_NODE_ID: 1
      KAFKA_PROCESS_ROLES: broker,controller
      KAFKA_LISTENERS: HOST://:9092,CONTROLLER://:9093
      KAFKA_ADVERTISED_LISTENERS: HOST://127.0.0.1:9092
      KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: HOST:PLAINTEXT,CONTROLLER:PLAINTEXT
      KAFKA_INTER_BROKER_LISTENER_NAME: HOST
      KAFKA_CONTROLLER_LISTENER_NAMES: CONTROLLER
      KAFKA_CONTROLLER_QUORUM_VOTERS: 1@127.0.0.1:9093
      KAFKA_AUTO_CREATE_TOPICS_ENABLE: "false"
      KAFKA_NUM_PARTITIONS: 6
      KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: 1
      KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: 1
      KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: 1
      KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: 0
    ports: ["127.0.0.1:9092:9092"]
    healthcheck:
      test: [CMD, /opt/kafka/bin/kafka-broker-api-versions.sh, --bootstrap-server, "127.0.0.1:9092"]
      interval: 5s
      timeout: 20s
      retries: 24
`;

const composeRegistry = `
  registry:
    # In memory: register the schemas again after each restart.
    image: apicurio/apicurio-registry-mem:2.6.13.Final
    environment:
      # Without it the registry accepts a schema that breaks every consumer. Its API says NONE all the same.
      REGISTRY_RULES_GLOBAL_COMPATIBILITY: BACKWARD
    ports: ["127.0.0.1:8081:8080"]
`;

const workflow = `# Checks the Avro schemas against the registry before they are merged, and registers them afterwards.
# Store the address of the registry as a secret of the repository: SCHEMA_REGISTRY_URL.
# GitHub runs what is in .github/workflows at the root of a repository only. If this folder is not the root, move the file
# there, write the folder before both paths, and set it as working-directory of the two commands.
name: schemas
on:
  pull_request:
    paths: ["schemas/**"]
  push:
    branches: [main]
    paths: ["schemas/**"]

permissions:
  contents: read

jobs:
  schemas:
    runs-on: ubuntu-latest
    env:
      SCHEMA_REGISTRY_URL: \${{ secrets.SCHEMA_REGISTRY_URL }}
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
        with:
          persist-credentials: false
      - uses: actions/setup-node@820762786026740c76f36085b0efc47a31fe5020 # v7.0.0
        with:
          node-version: 24
          package-manager-cache: false
      - run: npx --yes outbox-relay@${version} schemas check
      - if: github.event_name == 'push'
        run: npx --yes outbox-relay@${version} schemas register
`;

/** In a Pod, this machine is the Pod. */
const ofAPod = (address: string, example: string): string =>
  isLocal(new URL(address).hostname) ? example : address;

function chartValues({ slot, brokers, format, registryUrl }: Project): string {
  const keepsRegistry = format !== 'json' && keepsSecret(registryUrl);
  const url = keepsRegistry ? `\${SCHEMA_REGISTRY_URL}` : ofAPod(registryUrl, 'http://registry.example:8081');
  const values = format === 'json' ? jsonRecords : registry(quoted(url));
  const secrets = [
    ['DATABASE_URL', 'database-url', 'postgres://outbox_relay:…@db.example:5432/app'],
    ...(keepsRegistry ? [['SCHEMA_REGISTRY_URL', 'registry-url', 'https://user:…@registry.example']] : []),
  ] as const;
  return `# Values of the Helm chart, which is in deploy/helm/outbox-relay of the repository, and an OCI artifact of each release:
#   helm install outbox-relay <chart> --values kubernetes/values.yaml
# What holds a password comes from a Secret:
#   kubectl create secret generic outbox-relay${secrets.map(([, key, example]) => ` --from-literal=${key}=${quoted(example)}`).join('')}

replicas: 2

config:
  slot: ${quoted(slot)}
  # As a Pod reaches them.
  kafka:
    brokers: ${quoted(brokers.map((broker) => ofAPod(`tcp://${broker}`, 'tcp://kafka.example:9092').replace('tcp://', '')))}
${values.replace(/^(?=.)/gm, '  ')}
secretEnv:
${secrets.map(([name, key]) => `  ${name}: { name: outbox-relay, key: ${key} }`).join('\n')}
`;
}
