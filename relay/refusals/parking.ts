/**
 * The policy `park-key`, without any I/O: after a refused event, the later events of its topic and key wait in order until
 * the key is released. What waits follows from the order of the stream alone, so a relay that reads it again after a
 * crash comes to the same keys.
 */
import type { OutboxEvent, OutboxEvents } from '../capture/event.ts';
import type { Policy } from '../config/policies.ts';
import { keyLengthMax } from '../config/row-size.ts';
import { wildcard } from '../config/topic-patterns.ts';
import { type EncodedEvent, isRefusal, type OutboundRecord, type Refusal } from '../encode/record.ts';
import type { Position } from '../model/position.ts';

/** Events of one topic and key, which keep their order. */
export type TopicKey = { readonly topic: string; readonly key: string };

/** A key that waits, since the refused event at that position. */
export type ParkedKey = TopicKey & { readonly since: Position };

/** What is to be done with the events of a transaction. */
export type Sorted = {
  readonly records: readonly OutboundRecord[];
  readonly refusals: readonly Refusal[];
  /** Keys that are parked from here on. */
  readonly parked: readonly ParkedKey[];
};

export class Parking {
  readonly #keys: Set<string>;
  readonly #policyOf: (topic: string | null) => Policy;

  /** @param keys as the progress left them */
  constructor(keys: Iterable<TopicKey>, policyOf: (topic: string | null) => Policy) {
    this.#keys = new Set(Array.from(keys, nameOf));
    this.#policyOf = policyOf;
  }

  get size(): number {
    return this.#keys.size;
  }

  has(key: TopicKey): boolean {
    return this.#keys.has(nameOf(key));
  }

  /** From here on the events of the key flow again. */
  release(key: TopicKey): void {
    this.#keys.delete(nameOf(key));
  }

  /**
   * Has the events wait that must, and parks the keys of those that are refused. To be called once for each transaction,
   * in the order of the stream.
   * @param encoded what became of each of `events`
   */
  sort(events: OutboxEvents, encoded: readonly EncodedEvent[]): Sorted {
    const records: OutboundRecord[] = [];
    const refusals: Refusal[] = [];
    const parked: ParkedKey[] = [];
    for (let index = 0; index < encoded.length; index++) {
      const one = encoded[index]!;
      if (isRefusal(one)) {
        refusals.push(one);
        const key = this.#park(one);
        if (key !== undefined) parked.push(key);
      } else if (this.#keys.size > 0 && this.has(one)) refusals.push(waiting(events.at(index)!, one));
      else records.push(one);
    }
    return { records, refusals, parked };
  }

  #parks({ topic, row }: Refusal): boolean {
    return topic !== null && canWait(row.aggregateid) && this.#policyOf(topic) === 'park-key';
  }

  /** An event without a key has no order to keep. */
  #park(refused: Refusal): ParkedKey | undefined {
    const { topic, row, position } = refused;
    if (topic === null || row.aggregateid === null || !this.#parks(refused)) return undefined;
    const key = { topic, key: row.aggregateid };
    if (this.has(key)) return undefined;
    this.#keys.add(nameOf(key));
    return { ...key, since: position };
  }
}

/** Every event of a key that is too long is refused: none has to wait, and the memory has none to keep. */
function canWait(key: string | null): boolean {
  return key !== null && key.length <= keyLengthMax;
}

/** A topic's name has no NUL. */
function nameOf({ topic, key }: TopicKey): string {
  return `${topic}\0${key}`;
}

function waiting(event: OutboxEvent, { topic }: OutboundRecord): Refusal {
  return {
    ...event,
    code: 'KEY_PARKED',
    message: 'an earlier event of the key was refused',
    path: null,
    topic,
    subject: null,
    schemaId: null,
  };
}

/**
 * The policy of a topic: of the first entry that fits, else the one for all.
 * @param settings `policies` holds entries `<topic, * for any characters>=<policy>`
 */
export function policyByTopic(settings: {
  readonly policy: Policy;
  readonly policies: readonly string[];
}): (topic: string | null) => Policy {
  const entries = settings.policies.map((entry) => {
    const [pattern = '', policy] = entry.split('=');
    return { fits: new RegExp(`^${wildcard(pattern)}$`), policy: policy as Policy };
  });
  return (topic) =>
    (topic === null ? undefined : entries.find(({ fits }) => fits.test(topic))?.policy) ?? settings.policy;
}
