/** Finds the name that a misspelled one was meant to be: the one with the fewest letters to change, add or remove. */

/** A letter that is missing, wrong or too much, or two that are swapped. */
export const slipOfThePen = 2;

/** @param names at least one */
export function nearestName(name: string, names: readonly string[]): string {
  return names.reduce((best, next) => (distance(name, next) < distance(name, best) ? next : best));
}

/** Levenshtein's, a row of the table at a time. */
export function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [at, letter] of [...a].entries()) {
    const next = [at + 1];
    for (const [index, other] of [...b].entries())
      next.push(Math.min(row[index]! + (letter === other ? 0 : 1), row[index + 1]! + 1, next[index]! + 1));
    row = next;
  }
  return row[b.length]!;
}
