/**
 * Owns which keys are parked: after a refused event, or one of a topic that is set aside, the later events of its topic and
 * key wait in order until the key is released.
 */
import type { Position } from '../model/position.ts';

/** Events of one topic and key keep their order. */
export type TopicKey = { readonly topic: string; readonly key: string };

/** A key that waits from the event at `since` on. */
export type ParkedKey = TopicKey & {
  readonly since: Position;
  /** Because its topic was set aside, whether its first event was refused or not: the end of the pause releases it. */
  readonly isPaused?: boolean;
};

export class ParkedKeys {
  readonly #names: Set<string>;

  constructor(keys: Iterable<TopicKey>) {
    this.#names = new Set(Array.from(keys, nameOf));
  }

  get isEmpty(): boolean {
    return this.#names.size === 0;
  }

  get size(): number {
    return this.#names.size;
  }

  has(key: TopicKey): boolean {
    return this.#names.has(nameOf(key));
  }

  /** @returns undefined where the key is parked already */
  add(key: TopicKey, since: Position, isPaused: boolean): ParkedKey | undefined {
    if (this.has(key)) return undefined;
    this.#names.add(nameOf(key));
    return { ...key, since, isPaused };
  }

  delete(key: TopicKey): void {
    this.#names.delete(nameOf(key));
  }
}

/** The name of a topic contains no NUL. */
function nameOf({ topic, key }: TopicKey): string {
  return `${topic}\0${key}`;
}
