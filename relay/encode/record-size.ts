/** Owns how many bytes a record takes in a Kafka record batch. */

/**
 * What a record takes beside key, value and headers: at most 35 bytes of varints and attributes, and at most 10 a header.
 * The batch itself takes 61.
 * @see https://kafka.apache.org/documentation/#recordbatch
 */
const recordOverheadBytes = 35;
const headerOverheadBytes = 10;
export const batchOverheadBytes = 61;

/** Upper bound of what a record takes in a batch. */
export function recordBytes(
  key: string,
  value: Buffer | null,
  headers: Readonly<Record<string, string>>,
): number {
  let bytes = recordOverheadBytes + Buffer.byteLength(key) + (value?.length ?? 0);
  for (const name in headers)
    bytes += headerOverheadBytes + Buffer.byteLength(name) + Buffer.byteLength(headers[name]!);
  return bytes;
}
