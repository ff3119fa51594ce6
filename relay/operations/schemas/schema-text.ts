/**
 * Owns the reading of an `.avsc` file. It is JSON, in which Avro's Java parser accepts comments and editors leave a byte
 * order mark. Registries accept neither, so both are removed. An error in the JSON is reported with its place. Pure.
 */
import { type JsonValue, parseLosslessJson } from '../../encode/formats/json.ts';
import { RelayError } from '../../errors.ts';

/** @throws RelayError SCHEMA_INVALID with line and column */
export function readSchemaText(text: string): { readonly schema: JsonValue; readonly schemaText: string } {
  const plain = withoutComments(text.replace(/^\uFEFF/, ' '));
  try {
    return { schema: parseLosslessJson(plain), schemaText: compactJson(plain) };
  } catch {
    throw new RelayError('SCHEMA_INVALID', `The schema is not JSON: ${jsonFault(plain)}.`);
  }
}

/**
 * JSON without spaces between its tokens; digits stay as they are. Spaces mean nothing in a schema, but to Apicurio another
 * text is another version.
 */
export function compactJson(text: string): string {
  return text.replace(/("(?:[^"\\]|\\.)*")|\s+/g, '$1');
}

/** Spaces instead of comments, so that places do not move. A comment without an end stays, and is an error. */
function withoutComments(text: string): string {
  return text.replace(/("(?:[^"\\\n]|\\.)*")|\/\/[^\n\r]*|\/\*[\s\S]*?\*\//g, (found, string?: string) =>
    string === undefined ? found.replace(/[^\n\r]/g, ' ') : found,
  );
}

function jsonFault(text: string): string {
  const message = parseFault(text) ?? 'The nesting is too deep';
  const [reason] = message.split(/, (?="|\.\.\.)| in JSON at | after JSON at |(?<=JSON) at /, 1);
  const before = text.slice(0, placeOf(text, message)).split('\n');
  return `${reason} at line ${before.length}, column ${before.at(-1)!.length + 1}`;
}

/** V8 names the place of most errors. For the others it is the end of the shortest prefix that nothing can complete. */
function placeOf(text: string, message: string): number {
  const [, position] = / at position (\d+)/.exec(message) ?? [];
  if (position !== undefined) return Number(position);
  if (isUnfinished(message)) return text.length;
  let [fine, wrong] = [0, text.length];
  while (wrong - fine > 1) {
    const middle = Math.floor((fine + wrong) / 2);
    const fault = parseFault(text.slice(0, middle));
    if (fault === undefined || isUnfinished(fault) || fault.includes(` at position ${middle}`)) fine = middle;
    else wrong = middle;
  }
  return fine;
}

function isUnfinished(message: string): boolean {
  return /^Unexpected end|^Unterminated string|^No number after/.test(message);
}

function parseFault(text: string): string | undefined {
  try {
    JSON.parse(text);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
