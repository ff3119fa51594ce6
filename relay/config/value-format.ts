/** Owns in which form the values of a topic are, as the settings have it. Pure; encoder and audit both ask here. */
import type { Config } from './schema.ts';
import { wildcard } from './topic-patterns.ts';

/** `json`: the payload as Postgres prints it, without a schema. */
export const valueFormats = ['avro', 'json'] as const;
export type ValueFormatName = (typeof valueFormats)[number];

type Settings = Pick<Config['records'], 'format' | 'formats'>;

/** The first entry that matches the topic applies, else `records.format`. */
export function valueFormatByTopic({ format, formats }: Settings): (topic: string) => ValueFormatName {
  if (formats.length === 0) return () => format;
  const entries = formats.map(readEntry);
  return (topic) => entries.find(({ fits }) => fits.test(topic))?.format ?? format;
}

/** Whether any value may need a schema, and with it the registry. */
export function usesRegistry({ format, formats }: Settings): boolean {
  return format === 'avro' || formats.some((entry) => readEntry(entry).format === 'avro');
}

function readEntry(entry: string): { readonly fits: RegExp; readonly format: ValueFormatName } {
  const [pattern = '', format] = entry.split('=');
  return { fits: new RegExp(`^${wildcard(pattern)}$`), format: format as ValueFormatName };
}
