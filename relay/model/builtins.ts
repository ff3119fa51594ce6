/**
 * Owns what Node 20 lacks of the language's own library, under the names of the originals. The package runs on Node 20;
 * `tsconfig.build.json` refuses the originals.
 */

export type Resolvers<T> = {
  readonly promise: Promise<T>;
  readonly resolve: (value: T | PromiseLike<T>) => void;
  readonly reject: (reason?: unknown) => void;
};

/** `Promise.withResolvers`, of Node 22. */
export function withResolvers<T>(): Resolvers<T> {
  let resolve!: Resolvers<T>['resolve'];
  let reject!: Resolvers<T>['reject'];
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}

/** `Map.groupBy`, of Node 21. */
export function groupBy<Item, Key>(items: Iterable<Item>, keyOf: (item: Item) => Key): Map<Key, Item[]> {
  const groups = new Map<Key, Item[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}

/** `AsyncDisposableStack`, of Node 24. The types of the compiler have it all the same. */
export class Deferrals implements AsyncDisposable {
  readonly #ends: (() => unknown)[] = [];

  /** The last one ends first. */
  defer(end: () => unknown): void {
    this.#ends.unshift(end);
  }

  /** Each of them, whatever another one throws. @throws the first error */
  async [Symbol.asyncDispose](): Promise<void> {
    const errors: unknown[] = [];
    for (const end of this.#ends.splice(0))
      try {
        await end();
      } catch (error) {
        errors.push(error);
      }
    if (errors.length > 0) throw errors[0];
  }
}
