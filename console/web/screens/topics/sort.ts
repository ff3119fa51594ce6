/** In which order the list of topics is shown. Pure. What is not known comes last, whichever way it is sorted. */

export type Column = 'name' | 'rate' | 'partitions' | 'size' | 'skew' | 'lag' | 'letters';

export type Order = { readonly by: Column; readonly isDown: boolean };

const columns: ReadonlySet<string> = new Set<Column>([
  'name',
  'rate',
  'partitions',
  'size',
  'skew',
  'lag',
  'letters',
]);

/** Names begin with A, numbers with the largest. */
const firstDown = (by: Column): boolean => by !== 'name';

/** From the address: `rate`, or `-rate` for the other way round. */
export function orderFrom(text: string | null): Order {
  const isTurned = text?.startsWith('-') === true;
  const by = isTurned ? text.slice(1) : text;
  if (by === null || !columns.has(by)) return { by: 'name', isDown: false };
  return { by: by as Column, isDown: firstDown(by as Column) !== isTurned };
}

/** For the address, after somebody pressed the head of a column; null for the order that nobody asked for. */
export function pressed({ by, isDown }: Order, column: Column): string | null {
  const turned = by === column && isDown === firstDown(column);
  if (!turned) return column === 'name' ? null : column;
  return `-${column}`;
}

export type Sortable = {
  readonly name: string;
  readonly rate: number | null;
  readonly partitions: number | null;
  readonly size: number | null;
  readonly skew: number | null;
  readonly lag: number | null;
  readonly letters: number | null;
};

export function sorted<Each extends Sortable>(rows: readonly Each[], { by, isDown }: Order): Each[] {
  const sign = isDown ? -1 : 1;
  const byName = (left: Each, right: Each) => (left.name < right.name ? -1 : left.name > right.name ? 1 : 0);
  return rows.toSorted((left, right) => {
    if (by === 'name') return sign * byName(left, right);
    const [a, b] = [left[by], right[by]];
    if (a === null || b === null) return a === b ? byName(left, right) : a === null ? 1 : -1;
    return a === b ? byName(left, right) : sign * (a - b);
  });
}
