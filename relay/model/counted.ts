/** Numbers with their nouns, for sentences that people read. Pure. */

/** `12,345` */
export function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** `1 event`, `12,345 events`. @param many where it is not `one` with an s */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}
