/**
 * Owns how many bytes a record takes in a Kafka record batch. Of compression it knows nothing: whether an event fits its
 * topic must not depend on a codec, its level or the events beside it.
 */

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

/**
 * What a record takes that is alone in its batch, exactly. An event that exceeds its limit by the upper bound only must
 * not be refused.
 */
export function exactRecordBytes(
  key: string,
  value: Buffer | null,
  headers: Readonly<Record<string, string>>,
): number {
  const names = Object.keys(headers);
  // Attributes, and the differences of time and offset to the first record, which are 0, take one byte each.
  let bytes = 3 + textBytes(key) + varintBytes(names.length);
  bytes += value === null ? 1 : varintBytes(value.length) + value.length;
  for (const name of names) bytes += textBytes(name) + textBytes(headers[name]!);
  return varintBytes(bytes) + bytes;
}

function textBytes(text: string): number {
  const length = Buffer.byteLength(text);
  return varintBytes(length) + length;
}

/** How many bytes a length takes as a zigzag varint. */
function varintBytes(length: number): number {
  let bytes = 1;
  for (let rest = length >>> 6; rest !== 0; rest >>>= 7) bytes += 1;
  return bytes;
}
