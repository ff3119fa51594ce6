/** Pages of sorted names: a page goes on after the last name of the one before, whatever came or went meanwhile. Pure. */

export type NamePage = {
  readonly names: string[];
  /** The name after which the next page begins; null on the last one. */
  readonly next: string | null;
};

/** @param sorted in the order of code points */
export function pageOfNames(sorted: readonly string[], after: string | undefined, limit: number): NamePage {
  const rest = sorted.filter((name) => after === undefined || name > after);
  const names = rest.slice(0, limit);
  return { names, next: rest.length > limit ? names.at(-1)! : null };
}

/** Whether `part` is in it, in any case. */
export const isLike = (name: string, part: string | undefined): boolean =>
  part === undefined || name.toLowerCase().includes(part.toLowerCase());
