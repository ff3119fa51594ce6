/** Which codecs consumers meet: that of the relay, and those in which brokers store what it sends. Pure. */

import type { CompressionName } from '../../config/compression-names.ts';
import { groupBy } from '../../model/builtins.ts';
import { ok, type Verdict } from './finding.ts';
import { few } from './topics.ts';

/** Codecs that every client reads without another package. */
const plainCodecs: ReadonlySet<string> = new Set(['none', 'uncompressed', 'gzip']);

/** @param types `compression.type` by topic; undefined where it cannot be read */
export function judgeCompression(
  sent: CompressionName,
  progressTopic: string,
  types: ReadonlyMap<string, string | undefined>,
): Verdict {
  // Brokers leave a batch as it is whose codec is that of its topic. The progress is never compressed.
  const stored = [...types].filter(([topic, type = 'producer']) => {
    const codec = topic === progressTopic ? 'none' : sent;
    return type !== 'producer' && (type === 'uncompressed' ? 'none' : type) !== codec;
  });
  const byCodec = groupBy(stored, ([, type]) => type!);
  const codecs = [...byCodec.keys()].toSorted();
  const found = codecs.map((codec) => `${codec}: ${few(byCodec.get(codec)!.map(([topic]) => topic))}`);
  const needsCodec = [sent, ...codecs].some((codec) => !plainCodecs.has(codec));
  const note = needsCodec
    ? '; consumers that use kafkajs, kafka-python or aiokafka need a package for each codec but gzip'
    : '';
  const setting = `publish.compression is ${sent}`;
  if (codecs.length === 0) return ok(`${setting}, and no topic sets another compression.type${note}`);
  return ok(`${setting}; brokers store ${found.join('; ')}; the relay reads every codec${note}`);
}
