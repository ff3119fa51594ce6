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
    { name: 'quantity', type: 'int' },
    { name: 'note', type: 'string' },
  ],
} as const;

/** Bytes of the payload's JSON that the reference figures were taken with. */
export const defaultRowBytes = 275;

/** A payload of exactly so many bytes of JSON where that is at least the length of its bare fields (178). */
export function payloadOf(rowBytes: number): string {
  const fields = {
    orderId: '7b0c2a52-51f6-4a3b-9a57-0b1f2f6f9d10',
    customerId: 'customer-0004711',
    placedAt: '2030-01-01T12:34:56.789012Z',
    total: 129_900,
    currency: 'EUR',
    paid: true,
    quantity: 3,
    note: '',
  };
  const bare = JSON.stringify(fields).length;
  return JSON.stringify({ ...fields, note: 'n'.repeat(Math.max(0, rowBytes - bare)) });
}
