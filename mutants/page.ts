/** The table of docs/evidence/mutants.md: one row a mutant, from the latest run that tried it. */
import type { Mutant } from './mutants.ts';

export type Judged = {
  readonly mutant: Pick<Mutant, 'name' | 'promise'>;
  readonly caughtBy: string | undefined;
};

const cell = (text: string) => text.replaceAll('|', '\\|');

/** The rows of a table, by the name of the mutant. */
export function rowsOf(text: string): Map<string, string> {
  const rows = [...text.matchAll(/^\| ((?:[^|\\]|\\.)*) \|.*\|$/gm)].slice(2);
  return new Map(rows.map(([row, name]) => [name!.replaceAll('\\|', '|'), row]));
}

/** @param known rows of earlier runs; those of mutants that are gone go, too */
export function page(
  mutants: readonly Judged['mutant'][],
  tried: readonly Judged[],
  known: ReadonlyMap<string, string>,
): string {
  const rows = new Map(known);
  for (const { mutant, caughtBy } of tried)
    rows.set(
      mutant.name,
      `| ${[mutant.name, mutant.promise, caughtBy ?? '**survived**'].map(cell).join(' | ')} |`,
    );
  return `# Relays that are broken on purpose

Written by \`npm run mutants -- --docs\`. Each row is a relay with one place of its source broken: the promise that depends on that place, the invariant that failed (see [chaos](chaos.md)), and what caught it: the simulation, the chaos run, or a test on real servers. A run need not try every mutant: the row of one that it does not try, or whose test fails for another reason, stays from an earlier run.

| what is broken | promise | caught by |
| --- | --- | --- |
${mutants.flatMap(({ name }) => rows.get(name) ?? []).join('\n')}
`;
}
