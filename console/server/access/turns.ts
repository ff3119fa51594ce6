/**
 * Owns how many questions are at work at once. Each takes a connection to Postgres or Kafka for a moment; if hundreds did, some
 * would wait so long that a server looked as if it was away. Promise: nobody's questions hold up those of others.
 */
import { Refused } from '../use.ts';
import type { Role } from './visitor.ts';

/** As many wait for one another in the pool of connections without being noticed. */
const atWorkMax = 24;
/** Of visitors who may only look: people who repair something find room. */
const viewersMax = 16;
/** A browser opens six connections to one host. */
const perOwnerMax = 6;
/** A page asks some ten questions; somebody may have several open. */
const waitingMax = 100;

type Waiting = { readonly owner: string; readonly role: Role; readonly begin: () => void };

export class Turns {
  readonly #atWork = new Map<string, number>();
  readonly #waiting: Waiting[] = [];
  #count = 0;
  #viewers = 0;

  /** @returns what ends the turn, once it has come. @throws Refused where the owner asks too much at once */
  async take(owner: string, role: Role): Promise<() => void> {
    if (this.#waiting.filter((each) => each.owner === owner).length >= waitingMax)
      throw new Refused(429, 'TOO_MANY_REQUESTS', 'you ask too much at once; wait a moment');
    await new Promise<void>((begin) => {
      this.#waiting.push({ owner, role, begin });
      this.#next();
    });
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#change(owner, role, -1);
      this.#next();
    };
  }

  /** In the order in which they came, but for those who have as many at work as they may. */
  #next(): void {
    for (let index = 0; index < this.#waiting.length && this.#count < atWorkMax; ) {
      const { owner, role, begin } = this.#waiting[index]!;
      const isFull = (this.#atWork.get(owner) ?? 0) >= perOwnerMax;
      if (isFull || (role === 'view' && this.#viewers >= viewersMax)) {
        index++;
        continue;
      }
      this.#waiting.splice(index, 1);
      this.#change(owner, role, 1);
      begin();
    }
  }

  #change(owner: string, role: Role, by: 1 | -1): void {
    this.#count += by;
    if (role === 'view') this.#viewers += by;
    const left = (this.#atWork.get(owner) ?? 0) + by;
    if (left === 0) this.#atWork.delete(owner);
    else this.#atWork.set(owner, left);
  }
}
