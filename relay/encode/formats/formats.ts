/** The formats that the relay writes values in. A new format is a line in this list. */
import { RelayError } from '../../errors.ts';
import { avro } from './avro/format.ts';
import type { ValueFormat } from './format.ts';

const formats: readonly ValueFormat[] = [avro];

/** The registry leaves the type out of its answers where it is this one. */
const defaultSchemaType = 'AVRO';

const spokenNames: Readonly<Record<string, string>> = { AVRO: 'Avro', PROTOBUF: 'Protobuf' };

/**
 * The format of a schema. A type that is not in the list is refused rather than guessed: some JSON Schemas read as Avro,
 * and the consumers of their subjects expect JSON.
 * @param schemaType as the registry gives it
 * @param holder what holds the schema, as the message names it
 * @param supported where not every format will do
 * @throws RelayError SCHEMA_INVALID
 */
export function formatOf(schemaType: unknown, holder: string, supported = formats): ValueFormat {
  const wanted = schemaType ?? defaultSchemaType;
  const format = supported.find((each) => each.schemaType === wanted);
  if (format !== undefined) return format;
  const only = supported.map((each) => spoken(each.schemaType)).join(' or ');
  throw new RelayError(
    'SCHEMA_INVALID',
    `${holder} holds a ${spoken(String(wanted))} schema; only ${only} is supported`,
  );
}

function spoken(schemaType: string): string {
  return spokenNames[schemaType] ?? schemaType.slice(0, 40);
}
