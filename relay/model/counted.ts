/** Numbers with their nouns, for sentences that people read. Pure. */

/** `12,345`. Every start of a command counts for the limits of its settings, and `Intl` takes 20 ms to begin with. */
export function count(value: number): string {
  if (!Number.isSafeInteger(value)) return value.toLocaleString('en-US');
  return String(value).replace(/\B(?=(?:\d{3})+$)/g, ',');
}

/** `1 event`, `12,345 events`. @param many where it is not `one` with an s */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}
