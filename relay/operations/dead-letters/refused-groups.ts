/** Counts why dead letters would still be refused, in bounded memory. Pure. */

/** `code` null: the patch does not apply, or no payload makes the event whole. */
export type Reason = { readonly code: string | null; readonly message: string; readonly path: string | null };
export type RefusedGroup = Reason & { readonly count: number };

/** Messages name sizes and indices, so there may be as many reasons as dead letters. */
const groupsMax = 200;

export class RefusedGroups {
  readonly #groups = new Map<string, { readonly reason: Reason; count: number }>();
  #others = 0;

  add(reason: Reason): void {
    const { code, message } = reason;
    const path = reason.path?.replaceAll(/\[\d+\]/g, '[*]') ?? null;
    const key = JSON.stringify([code, path, message]);
    const group = this.#groups.get(key);
    if (group !== undefined) group.count++;
    else if (this.#groups.size < groupsMax)
      this.#groups.set(key, { reason: { code, message, path }, count: 1 });
    else this.#others++;
  }

  /** Largest first; the last one stands for all reasons that are too many to tell apart. */
  get list(): RefusedGroup[] {
    const groups = [...this.#groups.values()].map(({ reason, count }) => ({ ...reason, count }));
    groups.sort((left, right) => right.count - left.count);
    if (this.#others > 0)
      groups.push({ code: null, path: null, message: 'other reasons', count: this.#others });
    return groups;
  }
}
