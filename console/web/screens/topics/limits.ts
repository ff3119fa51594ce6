/** The limits of a topic in words. Pure. */
import type { EventTopic } from '../../../../relay/operations/topics.ts';
import { bytes, counted, seconds, unknown } from '../../data/format.ts';

export type Line = { readonly title: string; readonly text: string; readonly note: string | null };

export function limitLines({
  partitions,
  replicas,
  settings,
}: Pick<EventTopic, 'partitions' | 'replicas' | 'settings'>): Line[] {
  const lines: Line[] = [
    { title: 'Partitions', text: String(partitions), note: null },
    { title: 'Replicas', text: String(replicas), note: null },
  ];
  if (settings === null) return lines;
  const { maxMessageBytes, acceptedAgeMs, minInsyncReplicas, cleanupPolicy, compressionType } = settings;
  return [
    ...lines,
    {
      title: 'min.insync.replicas',
      text: minInsyncReplicas ?? unknown,
      note: 'Copies that must have an event before it counts as published.',
    },
    {
      title: 'max.message.bytes',
      text: bytes(maxMessageBytes),
      note: 'A larger event is refused and becomes a dead letter.',
    },
    { title: 'cleanup.policy', text: cleanupPolicy ?? unknown, note: cleanupNote(cleanupPolicy) },
    { title: 'Retention', text: retention(settings), note: null },
    {
      title: 'Accepted age',
      text: acceptedAgeMs === null ? 'any' : seconds(acceptedAgeMs / 1_000),
      note:
        acceptedAgeMs === null
          ? null
          : 'The topic does not accept or keep an event that is older when it is published.',
    },
    {
      title: 'compression.type',
      text: compressionType ?? unknown,
      note:
        compressionType === null || compressionType === 'producer'
          ? null
          : 'Brokers store what the relay sends in this codec.',
    },
  ];
}

/** What the verdict on its durability goes by. No line ends between the setting and its value. */
export const copiesOf = ({ replicas, settings }: Pick<EventTopic, 'replicas' | 'settings'>): string =>
  `${counted(replicas, 'replica')}, min.insync.replicas\u00a0${settings?.minInsyncReplicas ?? 'not known'}`;

function cleanupNote(policy: string | null): string | null {
  if (policy === null) return null;
  if (!policy.includes('compact')) return null;
  return 'Kafka keeps the latest event of each key and may remove earlier ones.';
}

type Settings = NonNullable<EventTopic['settings']>;

/** By time and by size, whichever comes first. */
export function retention({ retentionMs, retentionBytes, cleanupPolicy }: Settings): string {
  if (cleanupPolicy !== null && !cleanupPolicy.includes('delete')) return 'no limit';
  if (retentionMs === null && retentionBytes === null) return unknown;
  const limits = [
    ...(hasLimit(retentionMs) ? [seconds(Number(retentionMs) / 1_000)] : []),
    ...(hasLimit(retentionBytes) ? [`${bytes(Number(retentionBytes))} a partition`] : []),
  ];
  return limits.length === 0 ? 'no limit' : limits.join(' or ');
}

const hasLimit = (value: string | null) => value !== null && Number(value) >= 0;
