/** What the audit remembers of each key, for the order of its events and for compaction: 130 bytes. */
import type { AuditedRecord } from './audited.ts';

export class Keys {
  /** By partition and key: the position of the last record. */
  readonly #positions = new Map<string, Map<string, string>>();
  #compacted: ReadonlySet<string> = new Set();
  /** By topic and key, of compacted topics: when the last record was committed, ms. */
  readonly #lastMs = new Map<string, number>();

  setCompacted(topics: ReadonlySet<string>): void {
    this.#compacted = topics;
  }

  isCompacted(topic: string): boolean {
    return this.#compacted.has(topic);
  }

  /** Takes every record, of any producer: compaction looks only at keys. */
  note({ topic, key, committedAtMs }: AuditedRecord): void {
    if (key === null || !this.#compacted.has(topic)) return;
    const name = `${topic}\0${key}`;
    this.#lastMs.set(name, Math.max(committedAtMs, this.#lastMs.get(name) ?? committedAtMs));
  }

  lastMs(topic: string, key: string): number | undefined {
    return this.#lastMs.get(`${topic}\0${key}`);
  }

  /** @returns the position that the record should follow and does not; undefined if it does */
  follow({ topic, partition, key }: AuditedRecord, position: string): string | undefined {
    const name = `${topic}/${partition}`;
    let last = this.#positions.get(name);
    if (last === undefined) {
      last = new Map();
      this.#positions.set(name, last);
    }
    const after = last.get(key ?? '');
    if (after !== undefined && position <= after) return after;
    last.set(key ?? '', position);
    return undefined;
  }
}
