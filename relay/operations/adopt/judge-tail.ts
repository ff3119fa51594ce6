/**
 * Which events of the tail the connector never published. Pure.
 *
 * A connector publishes in the order of commits and confirms afterwards. So everything before the tail is published, and
 * of the tail what is in the topics. An event whose id is in no topic is
 * - `overtaken`, if a later event of its topic and key is there: published now, it would come behind that one;
 * - `unjudged`, if it may have been published and removed since: its topic is compacted, or Kafka has removed the
 *   beginning of a partition and nothing shows that this was older than the tail; or if it goes to no topic of the
 *   allow-list, where nobody has looked;
 * - `missing` otherwise.
 */
export type TailJudgement = 'published' | 'missing' | 'overtaken' | 'unjudged';

/** How much of the topic of an event is left, as far as the tail goes. */
export type TailSight =
  /** All that was written since the first event of the tail was committed. */
  | 'whole'
  /** Perhaps not all of it. */
  | 'part'
  /** It goes to no topic that was read. */
  | 'unrouted';

export type TailEvent = {
  readonly isPublished: boolean;
  /** Its number in the order of the stream. */
  readonly number: number;
  /** Number of the last event of its topic and key that is in Kafka; undefined if none is. */
  readonly lastPublished: number | undefined;
  readonly sight: TailSight;
};

export function judgeTail({ isPublished, number, lastPublished, sight }: TailEvent): TailJudgement {
  if (isPublished) return 'published';
  if (lastPublished !== undefined && lastPublished > number) return 'overtaken';
  return sight === 'whole' ? 'missing' : 'unjudged';
}
