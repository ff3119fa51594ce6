/** Notes the events of a batch whose writer asked for a trace. Exists only where somebody listens, and is bounded. */
import type { CommittedTransaction } from '../capture/transaction.ts';
import { ownHeader } from '../encode/headers.ts';
import type { OutboundRecord, Refusal } from '../encode/record.ts';
import { formatPosition } from '../model/position.ts';
import type { TracedEvent, Waypoints } from '../observe/facts.ts';
import { mayBeSampled, traceparentHeader, tracestateHeader } from '../observe/trace-context.ts';
import type { Decision } from '../refusals/refusals.ts';

/** As many spans as wait for export by default; what is beyond them would be dropped there. */
const eventsMax = 2_048;

export class TracedEvents {
  readonly events: TracedEvent[] = [];
  #omitted = 0;

  /** Events that are not noted, because there are too many. */
  get omitted(): number {
    return this.#omitted;
  }

  decided({ committedAtMs }: CommittedTransaction, decision: Decision, waypoints: Waypoints): void {
    for (const record of decision.records) this.#published(record, committedAtMs, waypoints);
    for (const letter of decision.deadLetters) this.#refused(letter, waypoints);
  }

  released(records: readonly OutboundRecord[]): void {
    for (const record of records) this.#published(record, record.timestampMs, null);
  }

  #published(record: OutboundRecord, committedAtMs: number, waypoints: Waypoints | null): void {
    const { headers, topic, partition } = record;
    const traceparent = headers[traceparentHeader];
    if (traceparent === undefined || !mayBeSampled(traceparent) || this.#isFull) return;
    const tracestate = headers[tracestateHeader];
    const position = headers.position ?? '';
    this.events.push({
      ...{ traceparent, tracestate, position, committedAtMs, topic, partition, code: null, waypoints },
    });
  }

  #refused({ row, position, committedAtMs, topic, code }: Refusal, waypoints: Waypoints): void {
    const traceparent = ownHeader(row.headers, traceparentHeader);
    if (traceparent === undefined || !mayBeSampled(traceparent) || this.#isFull) return;
    this.events.push({
      traceparent,
      tracestate: ownHeader(row.headers, tracestateHeader),
      position: formatPosition(position.commitLsn, position.ordinal),
      committedAtMs,
      topic,
      partition: null,
      code,
      waypoints,
    });
  }

  /** Notes the events of another batch of the same Kafka transaction. */
  absorb(others: TracedEvents): void {
    const room = eventsMax - this.events.length;
    this.events.push(...others.events.slice(0, room));
    this.#omitted += others.omitted + Math.max(0, others.events.length - room);
  }

  get #isFull(): boolean {
    if (this.events.length < eventsMax) return false;
    this.#omitted += 1;
    return true;
  }
}
