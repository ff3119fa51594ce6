/** A longer copy of a column of numbers. */
export function lengthened<T extends Uint8Array | Uint16Array | Uint32Array | Float64Array>(
  column: T,
  length: number,
): T {
  const longer = new (column.constructor as new (length: number) => T)(length);
  longer.set(column);
  return longer;
}
