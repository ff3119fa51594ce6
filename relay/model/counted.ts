/** Numbers with their nouns, for sentences that people read. Pure. */

/** `12,345` */
export function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** `1 event`, `12,345 events` */
export function counted(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
}
