/** The rows that are measured: an order event whose JSON has 275 bytes, or another size, and its Avro schema. */

import { Random } from '../harness/random.ts';

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

const vocabulary =
  'please leave the parcel with neighbour on second floor and ring twice before noon as a gift invoice paper thank you order was packed in our warehouse by hand return within thirty days if anything is missing or damaged contact support quoting number above delivery between nine five except holidays'.split(
    ' ',
  );

/**
 * SQL for the payload of row n: of the size of `payloadOf`, with an id of its own and other words in its note. The same
 * row again and again would compress to next to nothing, which no order does.
 */
export function payloadSql(rowBytes: number): { readonly words: string; readonly expression: string } {
  const { orderId, note } = JSON.parse(payloadOf(rowBytes)) as { orderId: string; note: string };
  const [before, after] = payloadOf(rowBytes).split(`"note":"${note}"`) as [string, string];
  const words = wordsOf(note.length + differentNotes);
  const own = `'${before}"note":"' || substr(words, 1 + (n::bigint * 7919 % ${differentNotes})::int, ${note.length}) || '"${after}'`;
  return {
    words,
    expression: orderId === '' ? own : `replace(${own}, '${orderId}', md5('order-' || n)::uuid::text)`,
  };
}

/** A prime, so that with steps of another prime no two of so many rows in a row have the same note. */
const differentNotes = 8_191;

/** So many characters of words in no order, the same in every run. */
function wordsOf(length: number): string {
  const random = new Random(1);
  let text = '';
  while (text.length < length) text += `${vocabulary[Math.floor(random.fraction() * vocabulary.length)]} `;
  return text.slice(0, length);
}
