/**
 * Owns the decision about every event that cannot be published, for the stream and for recover alike. The order of a key
 * rests on it, and so does the promise that no refused event is lost: each is a dead letter, or nothing of its transaction
 * is published. Pure: what it decides follows from the configuration and the order of the stream alone, so a relay that
 * reads the stream again after a crash decides the same.
 */
import type { OutboxEvent, OutboxEvents } from '../capture/event.ts';
import type { Policy } from '../config/policy-names.ts';
import { type EncodedEvent, isRefusal, type OutboundRecord, type Refusal } from '../encode/record.ts';
import { RelayError } from '../errors.ts';
import { formatLsn, formatPosition } from '../model/position.ts';
import { assertNever, type Outcome, outcomeOf, passesOnRelease } from './outcome.ts';
import { type ParkedKey, ParkedKeys, type TopicKey } from './parked-keys.ts';
import { type PolicySettings, policyByTopic } from './policy-by-topic.ts';
import { type StormLimits, StormWatch } from './storm.ts';

/** Topics whose events people have set aside, as of now. */
export type Asides = { readonly setsAside: boolean; isSetAside(topic: string): boolean };

const noAsides: Asides = { setsAside: false, isSetAside: () => false };

/** What is to be done with the events of a transaction: each is published, or a dead letter. */
export type Decision = {
  readonly records: readonly OutboundRecord[];
  readonly deadLetters: readonly Refusal[];
  /** Keys whose later events wait from here on. */
  readonly parked: readonly ParkedKey[];
};

export class Refusals {
  readonly #policyOf: (topic: string | null) => Policy;
  readonly #storm: StormWatch;
  readonly #parked: ParkedKeys;
  readonly #asides: Asides;

  /** @param parked as the progress left them */
  constructor(settings: PolicySettings & StormLimits, parked: Iterable<TopicKey>, asides: Asides = noAsides) {
    this.#policyOf = policyByTopic(settings);
    this.#storm = new StormWatch(settings);
    this.#parked = new ParkedKeys(parked);
    this.#asides = asides;
  }

  /**
   * To be called once for each transaction, or part of one, in the order of the stream.
   * @param encoded what became of each of `events`
   * @param nowMs on a monotonic clock
   * @throws RelayError EVENT_REJECTED, DEAD_LETTER_STORM where nothing of `events` may be published
   */
  decide(events: OutboxEvents, encoded: readonly EncodedEvent[], nowMs: number): Decision {
    const areAllGood = areRecords(encoded);
    this.#assertMayContinue(encoded.length, areAllGood ? none : encoded.filter(isRefusal), nowMs);
    // The way of nearly every transaction: it is as it was encoded.
    if (areAllGood && this.#parked.isEmpty && !this.#asides.setsAside)
      return { records: encoded, deadLetters: none, parked: none };
    const records: OutboundRecord[] = [];
    const deadLetters: Refusal[] = [];
    const parked: ParkedKey[] = [];
    for (let index = 0; index < encoded.length; index++) {
      const one = this.#heldBack(encoded[index]!, events, index);
      if (!isRefusal(one)) {
        records.push(one);
        continue;
      }
      if (one.code === 'KEY_PARKED') {
        deadLetters.push(one);
        continue;
      }
      const outcome = this.#outcomeOf(one);
      switch (outcome.kind) {
        case 'dead-letter':
          deadLetters.push(one);
          break;
        case 'park': {
          deadLetters.push(one);
          const key = this.#parked.add(outcome.key, one.position, this.isSetAside(outcome.key.topic));
          if (key !== undefined) parked.push(key);
          break;
        }
        case 'halt':
          throw halted(one);
        default:
          assertNever(outcome);
      }
    }
    return { records, deadLetters, parked };
  }

  /** An event that could be published, but waits: behind an earlier one of its key, or because its topic is set aside. */
  #heldBack(encoded: EncodedEvent, events: OutboxEvents, index: number): EncodedEvent {
    if (isRefusal(encoded)) return encoded;
    if (this.#parked.has(encoded)) return waiting(events.at(index)!, encoded, 'KEY_PARKED');
    if (this.#asides.isSetAside(encoded.topic)) return waiting(events.at(index)!, encoded, 'TOPIC_PAUSED');
    return encoded;
  }

  /** Keys that wait now. */
  get parkedKeys(): number {
    return this.#parked.size;
  }

  isSetAside(topic: string | null): boolean {
    return topic !== null && this.#asides.isSetAside(topic);
  }

  /** Whether a release goes on behind an event that is refused again. */
  passes(refusal: Refusal): boolean {
    return passesOnRelease(refusal, this.#policyOf(refusal.topic));
  }

  /**
   * To be called for each release. What was refused before, and is refused again, is no news of the deployment.
   * @param events that were encoded
   * @param refused those that only waited, are refused now and are passed
   * @throws RelayError DEAD_LETTER_STORM where nothing of the release may be published
   */
  assertNoStorm(events: number, refused: readonly Refusal[], nowMs: number): void {
    const storm = this.#storm.add(events, refused.length, nowMs);
    if (storm === undefined) return;
    throw new RelayError(
      'DEAD_LETTER_STORM',
      `${storm.refused} of the last ${storm.events} events were refused, the last one for ${refused.at(-1)?.code ?? 'none'}`,
      { context: { ...storm } },
    );
  }

  /** From here on the events of the key are published again. */
  release(key: TopicKey): void {
    this.#parked.delete(key);
  }

  /** Decides about the transaction as a whole before about any of its events, so that a halt leaves nothing behind. */
  #assertMayContinue(events: number, refusals: readonly Refusal[], nowMs: number): void {
    const halting = refusals.find((refusal) => this.#outcomeOf(refusal).kind === 'halt');
    if (halting !== undefined) throw halted(halting);
    // A row that Postgres cannot send says nothing about the deployment. About a topic that is set aside a person has
    // decided, and what waits there keeps its order.
    const counted = refusals.filter(
      ({ row, topic }) => row.unreadable === undefined && !this.isSetAside(topic),
    );
    this.assertNoStorm(events, counted, nowMs);
  }

  #outcomeOf(refusal: Refusal): Outcome {
    return outcomeOf(refusal, this.#policyOf(refusal.topic), this.isSetAside(refusal.topic));
  }
}

const none: readonly never[] = [];

function areRecords(encoded: readonly EncodedEvent[]): encoded is readonly OutboundRecord[] {
  return !encoded.some(isRefusal);
}

function halted({ code, message, path, position, row }: Refusal): RelayError {
  const { commitLsn, ordinal } = position;
  const what = `event ${row.id ?? 'without an id'} at ${formatPosition(commitLsn, ordinal)}`;
  const where = path === null ? '' : ` at ${path}`;
  return new RelayError('EVENT_REJECTED', `${what} was refused: ${code}${where}: ${message}`, {
    context: { commitLsn: formatLsn(commitLsn), ordinal, code, path },
  });
}

const whyWaiting = {
  KEY_PARKED: 'an earlier event of the key was refused or set aside',
  TOPIC_PAUSED: 'the topic is paused, and its events are set aside',
} as const;

function waiting(event: OutboxEvent, { topic }: OutboundRecord, code: keyof typeof whyWaiting): Refusal {
  return {
    ...event,
    code,
    message: whyWaiting[code],
    path: null,
    topic,
    subject: null,
    schemaId: null,
  };
}
