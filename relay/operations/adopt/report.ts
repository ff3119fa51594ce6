/** What a take-over from Debezium found and did, and what a person must decide first, as data. */
import { counted } from '../../model/counted.ts';
import { formatLsn, type Lsn } from '../../model/position.ts';
import type { Progress } from '../../model/progress.ts';
import type { ComparedTail, Comparison } from './compare-tail.ts';
import type { TakeOverOptions } from './options.ts';

export type TakeOver = {
  readonly outcome: 'dry-run' | 'refused' | 'adopted';
  /** Whether an earlier run had begun. */
  readonly isResumed: boolean;
  readonly connector: {
    readonly slot: string;
    readonly publication: string;
    /** Up to where the connector has confirmed. The tail begins here. */
    readonly confirmedLsn: string;
    readonly isDropped: boolean;
  };
  /** Where our own slot begins, and the tail ends; in a dry run, the position of the WAL then. */
  readonly untilLsn: string;
  readonly tail: ComparedTail;
  /** What a person must decide first, with the option that decides it. */
  readonly doubts: readonly string[];
  readonly published: number;
  readonly deadLettered: number;
  readonly after: Progress | null;
};

/** What a person must decide first. */
export function doubtsOf(
  tail: ComparedTail,
  {
    unjudged,
    overtaken,
    acceptsOtherKeys,
    acceptsOtherHeaders,
  }: Pick<TakeOverOptions, 'unjudged' | 'overtaken' | 'acceptsOtherKeys' | 'acceptsOtherHeaders'>,
): string[] {
  const doubts: string[] = [];
  const removed = tail.unjudged.count - tail.unrouted;
  if (tail.overtaken.count > 0 && overtaken === 'refuse')
    doubts.push(
      `${counted(tail.overtaken.count, 'event')} of the tail ${are(tail.overtaken.count)} not in Kafka, but a later event of the same topic and key is: published now, ${tail.overtaken.count === 1 ? 'it' : 'they'} would come behind it. --overtaken publish or --overtaken skip`,
    );
  if (tail.unrouted > 0 && unjudged === 'refuse')
    doubts.push(
      `${counted(tail.unrouted, 'event')} of the tail ${tail.unrouted === 1 ? 'goes' : 'go'} to no topic of topics.allow, so nobody has looked whether the connector published them: correct topics.template and topics.allow, or --unjudged publish (each becomes a dead letter) or --unjudged skip`,
    );
  if (removed > 0 && unjudged === 'refuse')
    doubts.push(
      `${counted(removed, 'event')} of the tail ${are(removed)} not in Kafka, which compacts their topics or has removed records of that time: ${removed === 1 ? 'it either was published and has been removed since, or was' : 'they either were published and have been removed since, or were'} never published. --unjudged publish or --unjudged skip`,
    );
  if (!tail.isConnectorSeen && tail.missing.count > 0 && !acceptsOtherKeys)
    doubts.push(
      `no record of a connector is in the topics of topics.allow, so ${tail.missing.count === 1 ? 'the one event' : `all ${counted(tail.missing.count, 'event')}`} of the tail would be published. If the connector has published before, its topics are others: correct topics.template and topics.allow. If it has not: --accept-other-keys`,
    );
  if (tail.otherKeys.count > 0 && !acceptsOtherKeys)
    doubts.push(
      `${counted(tail.otherKeys.count, 'record')} of the connector ${tail.otherKeys.count === 1 ? 'has' : 'have'} another topic or key than the relay would give ${tail.otherKeys.count === 1 ? 'it' : 'them'}, so events of one aggregate may be in two partitions and lose their order: correct topics.template or outbox.columns. If the connector writes keys that are not plain text, a JSON converter for example, the order of a key ends at the take-over: --accept-other-keys`,
    );
  if (tail.otherPartitions.count > 0 && !acceptsOtherKeys)
    doubts.push(
      `the last record of ${counted(tail.otherPartitions.count, 'partition')} is not where the hash of its key leads, as records of the relay are: the connector chooses partitions by a column (placement partition) or by a partitioner of its own, or the topic has got more partitions since. From now on events of one key go to another partition, and may be read before earlier ones. Let the consumers read everything first, then --accept-other-keys`,
    );
  if (tail.lostHeaders.length > 0 && !acceptsOtherHeaders)
    doubts.push(
      `records of the connector have headers that those of the relay will not have: ${tail.lostHeaders.join(', ')}. Name those of mapped columns in records.headers, have the rows bring the others in the column for headers, or --accept-other-headers`,
    );
  if (tail.withoutHeaders.count > 0 && !acceptsOtherHeaders)
    doubts.push(
      `${counted(tail.withoutHeaders.count, 'event')} to publish ${tail.withoutHeaders.count === 1 ? 'lacks' : 'lack'} headers that the connector takes from other columns: ${tail.withoutHeaders.count === 1 ? 'its row was' : 'their rows were'} written before the column for headers had them. Start the connector once more until it has published them, or --accept-other-headers`,
    );
  return doubts;
}

const are = (count: number) => (count === 1 ? 'is' : 'are');

export function reportOf(
  { isWanted: _, wanted: __, ...tail }: Comparison,
  { slot, publication }: TakeOverOptions,
  facts: { readonly confirmedLsn: Lsn; readonly untilLsn: Lsn; readonly isResumed: boolean },
  doubts: readonly string[],
  done: Pick<TakeOver, 'outcome'> & Partial<TakeOver>,
): TakeOver {
  return {
    isResumed: facts.isResumed,
    connector: { slot, publication, confirmedLsn: formatLsn(facts.confirmedLsn), isDropped: false },
    untilLsn: formatLsn(facts.untilLsn),
    tail,
    doubts,
    published: 0,
    deadLettered: 0,
    after: null,
    ...done,
  };
}
