/** The rows that are measured: an order event whose JSON has 275 bytes, or another size, and its Avro schema. */

export const eventType = 'bench.OrderPlaced';

export const eventSchema = {
  type: 'record',
  name: 'OrderPlaced',
  namespace: 'bench',
  fields: [
    { name: 'orderId', type: 'string' },
    { name: 'customerId', type: 'string' },
    { name: 'placedAt', type: 'string' },
    { name: 'total', type: 'long' },
    { name: 'currency', type: 'string' },
    { name: 'paid', type: 'boolean' },
    { name: 'count', type: 'int' },
    { name: 'note', type: 'string' },
  ],
} as const;

/** Bytes of the payload's JSON that the reference figures were taken with. */
export const defaultRowBytes = 275;

/** Ids of the rows of a drain: a number follows, in 12 hexadecimal digits, so that a reader needs no list of them. */
export const idPrefix = '7d4f1a2b-0000-4000-8000-';

/** The number in an id; NaN for another's. */
export function numberOf(id: string): number {
  return id.startsWith(idPrefix) && id.length === idPrefix.length + 12
    ? Number.parseInt(id.slice(idPrefix.length), 16)
    : Number.NaN;
}

/** A payload of exactly so many bytes of JSON, at least 100: its fields with next to nothing in them. */
export function payloadOf(rowBytes: number): string {
  const usual = {
    orderId: '7b0c2a52-51f6-4a3b-9a57-0b1f2f6f9d10',
    customerId: 'customer-0004711',
    placedAt: '2030-01-01T12:34:56.789012Z',
    total: 129_900,
    currency: 'EUR',
    paid: true,
    count: 3,
    note: '',
  };
  const small = { ...usual, orderId: '', customerId: '', placedAt: '', total: 1, currency: '' };
  const fields = JSON.stringify(usual).length <= rowBytes ? usual : small;
  const bare = JSON.stringify(fields).length;
  return JSON.stringify({ ...fields, note: 'n'.repeat(Math.max(0, rowBytes - bare)) });
}
