/** Locks of transactions, as far as statements of the relay wait for each other. They are granted in order of request. */

type Mode = 'share' | 'exclusive';
type Waiter = { readonly owner: object; readonly mode: Mode; readonly granted: () => void };
type Lock = { readonly holders: Map<object, Mode>; waiters: Waiter[] };

export class Locks {
  readonly #locks = new Map<string, Lock>();

  /** Calls `granted` when the owner has the lock: at once, or when the owners before it have released it. */
  take(name: string, owner: object, mode: Mode, granted: () => void): void {
    const lock: Lock = this.#locks.get(name) ?? { holders: new Map(), waiters: [] };
    this.#locks.set(name, lock);
    lock.waiters.push({ owner, mode, granted });
    this.#grant(lock);
  }

  release(owner: object): void {
    for (const lock of this.#locks.values()) {
      lock.holders.delete(owner);
      lock.waiters = lock.waiters.filter((waiter) => waiter.owner !== owner);
      this.#grant(lock);
    }
  }

  #grant(lock: Lock): void {
    for (let next = lock.waiters[0]; next !== undefined; next = lock.waiters[0]) {
      const { owner, mode, granted } = next;
      const others = [...lock.holders].filter(([holder]) => holder !== owner);
      if (others.some(([, held]) => held === 'exclusive' || mode === 'exclusive')) return;
      lock.waiters.shift();
      lock.holders.set(owner, lock.holders.get(owner) === 'exclusive' ? 'exclusive' : mode);
      granted();
    }
  }
}
