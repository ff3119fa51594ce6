/** The id of an event in a record that Debezium's event router wrote. */
import type { RecordHeaders } from '../publish/wire/record-batch.ts';
import { headerText } from './read-topics.ts';

/** A converter of headers may write JSON: a text in quotes. */
export function routedId(headers: RecordHeaders): string | undefined {
  const header = headerText(headers, 'id');
  if (header === undefined || header === '') return undefined;
  return /^"[^"\\]*"$/.test(header) ? header.slice(1, -1) : header;
}
