/** The consumer that `init` writes. The guide shows it too, so that a newcomer sees the first event as consumers get it. */
import type { Project } from './project.ts';

type Options = Pick<Project, 'aggregate' | 'brokers' | 'format'> & {
  /** Undefined if it holds a secret: then the variable has it. */
  readonly registryUrl: string | undefined;
};

/** What it needs besides itself. */
export const packagesOf = ({ format }: Pick<Project, 'format'>): string =>
  `kafkajs lz4-napi${format === 'json' ? '' : ' @kafkajs/confluent-schema-registry'}`;

export function consumer({ aggregate, brokers, format, registryUrl }: Options): string {
  const isJson = format === 'json';
  const host = registryUrl === undefined ? '' : ` ?? ${quoted(registryUrl)}`;
  return `// Prints the committed events of a topic, decoded, and waits for more:
//   npm install ${packagesOf({ format })}
//   node consumer.mjs
${isJson ? '' : `import { SchemaRegistry } from '@kafkajs/confluent-schema-registry';\n`}import kafkajs from 'kafkajs';
import { compressFrame, decompressFrame } from 'lz4-napi';

const topic = 'outbox.event.${aggregate}';
const brokers = process.env.KAFKA_BROKERS ?? ${quoted(brokers.join(','))};
${isJson ? '' : `const host = process.env.SCHEMA_REGISTRY_URL${host};\n`}
// The relay compresses with lz4, which kafkajs reads with these lines only.
const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = kafkajs;
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: ({ buffer }) => compressFrame(buffer),
  decompress: (buffer) => decompressFrame(buffer),
});

${isJson ? '// If Kafka wants you to sign in, add `ssl` and `sasl` here.' : '// If your servers want you to sign in, add `auth` here, and `ssl` and `sasl` below.\nconst registry = new SchemaRegistry({ host });'}
// At the first group ever, Kafka makes a topic for offsets. kafkajs calls the wait for it an error; it asks again by itself.
const logCreator = () => ({ label, log: { message, error = '' } }) => {
  if (error !== 'The group coordinator is not available') console.error(label, message, error);
};
const kafka = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.WARN, logCreator });
// The relay makes the topic for its first event. Until then kafkajs would end with UNKNOWN_TOPIC_OR_PARTITION.
const admin = kafka.admin();
await admin.connect();
const isThere = async () => (await admin.listTopics()).includes(topic);
if (!(await isThere())) {
  console.error(\`topic \${topic} is not there yet, or you may not read it: waiting for its first event\`);
  while (!(await isThere())) await new Promise((resolve) => setTimeout(resolve, 1_000));
}
await admin.disconnect();
// kafkajs reads committed records only, unless readUncommitted is set.
const consumer = kafka.consumer({ groupId: 'first-look' });
await consumer.connect();
// At Ctrl-C it leaves the group: otherwise the next start gets nothing until Kafka has missed this one, half a minute later.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => consumer.disconnect());
await consumer.subscribe({ topic, fromBeginning: true });
await consumer.run({
  async eachMessage({ partition, message: { offset, key, value, headers } }) {
    // Others may write to the topic too, in any form. A record that fails here would come again and again.
    const isOfRelay = headers.position ?? headers['replay-id'] ?? headers['backfill-id'];
    if (!isOfRelay) return console.log(\`another producer's: partition \${partition}, offset \${offset}\`);
    console.log(\`\${headers.type}  \${key}\`, value && ${isJson ? 'JSON.parse(value)' : '(await registry.decode(value))'});
  },
});
`;
}

const quoted = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
