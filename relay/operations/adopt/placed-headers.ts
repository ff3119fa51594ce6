/** Owns which headers of the connector's records the relay gives its own too. Pure. */
import type { Config } from '../../config/config.ts';
import { fixedHeaders, type HeaderField, headerFields } from '../../config/record-headers.ts';

/** A header with the value of a column, as the settings of the event router name it. */
export type PlacedHeader = { readonly header: string; readonly column: string };

export type Placed =
  /** `records.headers` has it. */
  | { readonly kind: 'given' }
  /** Only the row itself can bring it, in its column for headers. */
  | { readonly kind: 'own' }
  | { readonly kind: 'missing'; readonly fix: string };

type Settings = Pick<Config, 'outbox' | 'records'>;

export function asPlaced({ header, column }: PlacedHeader, { outbox, records }: Settings): Placed {
  const { columns } = outbox;
  const field = headerFields.find((each) => columns[each] === column);
  if (header === 'id' && field === 'id') return { kind: 'given' };
  if (fixedHeaders.has(header))
    return { kind: 'missing', fix: `the relay gives the header ${header} a meaning of its own` };
  if (field !== undefined)
    return records.headers[header] === field
      ? { kind: 'given' }
      : { kind: 'missing', fix: `set records.headers to have ${header}: ${field}` };
  if (columns.headers === '')
    return {
      kind: 'missing',
      fix: `the relay takes headers of other columns from one column with a JSON object, and outbox.columns.headers names none. Read "Other columns as headers" in docs/guides/coming-from-debezium.md`,
    };
  return { kind: 'own' };
}

/** Debezium and tracers add these by themselves: what they hold is about the connector. */
const ofConnector = /^__debezium\.|^__connect\.|^(traceparent|tracestate|baggage|uber-trace-id|b3)$|^x-b3-/i;

/**
 * Names of headers of a connector's record that the relay would not give the event.
 * @param ownNames of the headers that the rows have by themselves
 */
export function lostHeaders(
  names: Iterable<string>,
  ownNames: ReadonlySet<string>,
  { records }: Pick<Settings, 'records'>,
): string[] {
  const given: Readonly<Record<string, HeaderField>> = records.headers;
  return [...names].filter(
    (name) => name !== 'id' && !Object.hasOwn(given, name) && !ownNames.has(name) && !ofConnector.test(name),
  );
}
