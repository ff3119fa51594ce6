/**
 * Owns what is said of records that other producers wrote: how many there are in each topic, and where the first is. They
 * are not judged, so this is how a person sees that a record was left out, such as one whose headers a fault has damaged.
 */
import type { RecordPlace } from './findings.ts';

export type ForeignTopic = {
  readonly topic: string;
  readonly records: number;
  /** Of the first that was read. */
  readonly partition: number;
  readonly offset: string;
  /** Why the first counts as another producer's. */
  readonly reason: string;
};

export type ForeignRecord = RecordPlace & { readonly reason: string };

export const ofOtherSlot = 'the relay of another slot wrote it';

/** Of a record that has the headers of a relay. */
export const withoutTransaction = (fault: string): string =>
  `written without a transaction, as no relay writes, and its value cannot be decoded: ${fault}`;

export class Foreign {
  readonly #topics = new Map<string, ForeignTopic>();

  add({ topic, partition, offset, reason }: ForeignRecord): void {
    this.#count({ topic, records: 1, partition, offset, reason });
  }

  /** What was counted elsewhere, behind what is counted here. */
  addTopics(topics: Iterable<ForeignTopic>): void {
    for (const topic of topics) this.#count(topic);
  }

  get count(): number {
    return [...this.#topics.values()].reduce((sum, { records }) => sum + records, 0);
  }

  /** Those with the most records first. */
  topics(): ForeignTopic[] {
    return [...this.#topics.values()].sort((a, b) => b.records - a.records);
  }

  #count(some: ForeignTopic): void {
    const { topic, records } = some;
    const known = this.#topics.get(topic);
    this.#topics.set(topic, known === undefined ? some : { ...known, records: known.records + records });
  }
}
