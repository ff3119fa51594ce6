/** The rules between settings, which the schema of one setting cannot express. `config.ts` applies them after the schema. */
import { ownTable } from './own-table.ts';
import { partBytesOf, partEventsOf } from './part-limits.ts';
import type { Config } from './schema.ts';
import { signInRules } from './sign-in-rules.ts';
import { allowList, isLegalTopic, isProgressTopic } from './topic-patterns.ts';

const namesFiles = (section: Config['kafka'] | Config['registry']): boolean =>
  (section.sslCaFile ?? section.sslCertFile ?? section.sslKeyFile) !== undefined;

/** A legal name outside the event topics, which `verify` reads, the progress topics and Kafka's internal topics. */
const isDeadLetterTopic = (topic: string, allowed: readonly string[], progressTopic: string): boolean =>
  isLegalTopic(topic) &&
  !isProgressTopic(topic, progressTopic) &&
  !topic.startsWith('__') &&
  !allowList(allowed, progressTopic).test(topic);

/** Whether a row could reach the progress topic of another slot, where the template gives each slot its own. */
export function reachesOtherProgress(template: string, { topics, kafka }: Config): boolean {
  const another = template.replaceAll('{slot}', 'of_another_slot');
  return another !== template && allowList(topics.allow, kafka.progressTopic).test(another);
}

/** Rules between settings; each gives the key it concerns. */
export const configRules: readonly ((config: Config) => { key: string; message: string } | undefined)[] = [
  ({ slot }) =>
    slot.recoverByWritingOrder && slot.whenLost === 'stop'
      ? {
          key: 'slot.recoverByWritingOrder',
          message: 'needs slot.whenLost: recover; `outbox-relay recover` has the option --by-writing-order',
        }
      : undefined,
  ({ outbox: { columns } }) => {
    const names = Object.values(columns).filter((name) => name !== '');
    return new Set(names).size < names.length
      ? { key: 'outbox.columns', message: 'must name each column once' }
      : undefined;
  },
  ...signInRules,
  ({ kafka }) =>
    !kafka.ssl && namesFiles(kafka)
      ? { key: 'kafka.ssl', message: 'must be true if certificate files are set' }
      : undefined,
  ({ registry }) =>
    registry.url !== undefined && !/(^|,)https:/.test(registry.url) && namesFiles(registry)
      ? { key: 'registry.url', message: 'must start with https:// if certificate files are set' }
      : undefined,
  ({ kafka, registry }) => {
    const half = Object.entries({ kafka, registry }).find(
      ([, { sslCertFile, sslKeyFile }]) => (sslCertFile === undefined) !== (sslKeyFile === undefined),
    );
    return half === undefined
      ? undefined
      : { key: `${half[0]}.sslCertFile`, message: `and ${half[0]}.sslKeyFile must be set together` };
  },
  ({ registry }) =>
    registry.password !== undefined && registry.username === undefined
      ? { key: 'registry.username', message: 'is required if registry.password is set' }
      : undefined,
  ...(['Events', 'Bytes'] as const).map((unit) => ({ publish }: Config) => {
    const part = unit === 'Events' ? partEventsOf(publish) : partBytesOf(publish);
    if (publish[`batch${unit}`] <= part) return undefined;
    const bound = part < publish[`part${unit}`] ? 'maxTransaction' : 'part';
    return { key: `publish.batch${unit}`, message: `must not exceed publish.${bound}${unit}` };
  }),
  ({ publish, capture }) =>
    partBytesOf(publish) > capture.maxInFlightBytes
      ? { key: 'publish.partBytes', message: 'must not exceed capture.maxInFlightBytes' }
      : undefined,
  (config) =>
    config.capture.watchdogMs < config.capture.walSenderTimeoutMs
      ? {
          key: 'capture.watchdogMs',
          message:
            'must not be below capture.walSenderTimeoutMs: an idle server sends a message only every half of that',
        }
      : undefined,
  (config) =>
    config.topics.allow.includes(config.kafka.progressTopic) ||
    config.topics.template === config.kafka.progressTopic
      ? { key: 'topics.allow', message: 'must not contain kafka.progressTopic' }
      : undefined,
  ({ kafka }) =>
    isLegalTopic(kafka.progressTopic)
      ? undefined
      : {
          key: 'kafka.progressTopic',
          message: 'must be a legal topic name; {slot} is the only placeholder',
        },
  ({ deadLetters: { topic }, topics, kafka }) =>
    topic !== undefined && !isDeadLetterTopic(topic, topics.allow, kafka.progressTopic)
      ? {
          key: 'deadLetters.topic',
          message: 'must be a legal topic name, outside topics.allow and not internal',
        }
      : undefined,
  (config) =>
    config.retry.initialDelayMs > config.retry.maxDelayMs
      ? { key: 'retry.initialDelayMs', message: 'must not exceed retry.maxDelayMs' }
      : undefined,
  ({ cleanup }) =>
    cleanup.retention === undefined && (cleanup.archive !== undefined || cleanup.requireVerified)
      ? {
          key: 'cleanup.retention',
          message:
            'is required if cleanup.archive or cleanup.requireVerified is set: without it nothing is removed',
        }
      : undefined,
  ({ cleanup, outbox }) =>
    cleanup.archive !== undefined && outbox.table !== ownTable
      ? { key: 'cleanup.archive', message: 'works for the partitions of outbox.event only' }
      : undefined,
  ({ console: { viewToken, operateToken } }) =>
    viewToken !== undefined && viewToken === operateToken
      ? { key: 'console.viewToken', message: 'must differ from console.operateToken' }
      : undefined,
  ({ console: { operators, userHeader } }) =>
    operators.length > 0 && userHeader === undefined
      ? { key: 'console.operators', message: 'needs console.userHeader, which names the person' }
      : undefined,
  ({ console: { trustedProxies, userHeader } }) =>
    userHeader !== undefined && trustedProxies.some((network) => /\/0+$/.test(network))
      ? {
          key: 'console.trustedProxies',
          message: 'must not contain every address: anybody could name themselves in console.userHeader',
        }
      : undefined,
];
