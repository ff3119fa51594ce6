/** What `init` writes: the text of each file, from a few answers. */
import { version } from '../../config/version.ts';
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
  const { aggregate, event } = project;
  const settings = { path: 'relay.yaml', what: 'the settings of the relay', text: relayYaml(project) };
  const values = {
    path: 'kubernetes/values.yaml',
    what: 'values of the Helm chart',
    text: chartValues(project),
  };
  if (project.format === 'json')
    return [
      settings,
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
    {
      path: 'compose.yaml',
      what: 'Postgres, Kafka and a registry to try it with',
      text: `${compose}${composeRegistry}`,
    },
    { path: '.github/workflows/schemas.yml', what: 'a job that checks schemas in CI', text: workflow },
    values,
  ];
}

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

/** A secret stays out of the file. The password of a server on this machine is none: it is in compose.yaml too. */
function insteadOf(variable: string, address: string): string {
  return keepsSecret(address) ? `\${${variable}}` : `\${${variable}:-${address}}`;
}

export function keepsSecret(address: string): boolean {
  // A list of hosts is no URL to Node. It may have a password.
  if (!URL.canParse(address)) return true;
  const { hostname, password, searchParams } = new URL(address);
  const isLocal = ['127.0.0.1', 'localhost', '[::1]'].includes(hostname);
  return !isLocal && (password !== '' || searchParams.has('password'));
}

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

/** SQL that writes an event of the first schema. */
export function firstEvent({ aggregate, event, namespace }: Project): string {
  const payload = '{"id": "6f1c2c4e-7f0e-4f0a-9c53-2a5d1c6f9b10", "happenedAt": "2030-01-01T00:00:00Z"}';
  return `select outbox.emit('${aggregate}', '42', '${namespace}.${event}', '${payload}')`;
}

const compose = `# Servers to try the relay with: docker compose up --detach --wait
# They listen on this machine only. The password is for trying only. Kafka has one broker, so it keeps one copy.

services:
  postgres:
    image: postgres:18
    command: [postgres, -c, wal_level=logical, -c, max_slot_wal_keep_size=4GB]
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
    ports: ["127.0.0.1:8081:8080"]
`;

const workflow = `# Checks the Avro schemas against the registry before they are merged, and registers them afterwards.
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
      - uses: actions/checkout@v4
      - uses: actions/setup-node@v4
        with:
          node-version: 24
      - run: npx --yes outbox-relay@${version} schemas check
      - if: github.event_name == 'push'
        run: npx --yes outbox-relay@${version} schemas register
`;

function chartValues({ slot, brokers, format, registryUrl }: Project): string {
  const url = keepsSecret(registryUrl) ? `\${SCHEMA_REGISTRY_URL}` : registryUrl;
  const values = format === 'json' ? jsonRecords : registry(quoted(url));
  return `# Values of the Helm chart in deploy/helm/outbox-relay: helm install relay <chart> --values kubernetes/values.yaml
# The address of the database holds a password, so it comes from a Secret:
#   kubectl create secret generic outbox-relay --from-literal=database-url=postgres://outbox_relay:…@db.example:5432/app

replicas: 2

config:
  slot: ${quoted(slot)}
  kafka:
    brokers: ${quoted(brokers)}
${values.replace(/^(?=.)/gm, '  ')}
secretEnv:
  DATABASE_URL: { name: outbox-relay, key: database-url }
`;
}
