/**
 * JSON patches with the operations `add`, `replace` and `remove` of RFC 6902. Pure: the given document is not changed.
 * Numbers keep their digits.
 * @see https://www.rfc-editor.org/rfc/rfc6902
 */

import { z } from 'zod';
import { ExactNumber, type JsonValue, parseLosslessJson } from '../../encode/formats/json.ts';
import { RequestInvalid } from '../../errors.ts';
import { jsonText } from '../json-text.ts';

/** A patch that cannot be read or applied; never with a value of the document. */
export class PatchInvalid extends RequestInvalid {}

const pointer = z.string().regex(/^(\/([^~/]|~[01])*)*$/, 'is not a JSON pointer');
const operation = z.discriminatedUnion('op', [
  z.object({ op: z.enum(['add', 'replace']), path: pointer, value: z.unknown() }),
  z.object({ op: z.literal('remove'), path: pointer }),
]);
type Operation = z.output<typeof operation>;

/** @throws PatchInvalid */
export function applyPatch(document: JsonValue, patchText: string): JsonValue {
  // A holder makes the whole document a member like any other: the empty pointer names it.
  const holder: JsonValue = { document: clone(document) };
  for (const [index, each] of parsePatch(patchText).entries())
    try {
      applyOne(holder, each);
    } catch (error) {
      if (!(error instanceof PatchInvalid)) throw error;
      throw new PatchInvalid(`operation ${index} (${each.op} ${each.path}): ${error.message}`);
    }
  return holder.document!;
}

function parsePatch(text: string): Operation[] {
  let read: JsonValue;
  try {
    read = parseLosslessJson(text);
  } catch {
    throw new PatchInvalid('the patch is not JSON');
  }
  const parsed = z.array(operation).safeParse(read);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  throw new PatchInvalid(
    `the patch is not a list of add, replace and remove operations: at ${path.join('.')}: ${message}`,
  );
}

function applyOne(holder: JsonValue, operation: Operation): void {
  const to = tokensOf(operation.path);
  switch (operation.op) {
    case 'add':
      add(holder, to, givenValue(operation));
      break;
    case 'remove':
      remove(holder, to);
      break;
    case 'replace':
      replace(holder, to, givenValue(operation));
  }
}

function givenValue({ value }: { value?: unknown }): JsonValue {
  if (value === undefined) throw new PatchInvalid('it has no value');
  return value as JsonValue;
}

function tokensOf(path: string): string[] {
  const tokens = path
    .split('/')
    .slice(1)
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
  return ['document', ...tokens];
}

type Container = JsonValue[] | { [key: string]: JsonValue };

function containerOf(holder: JsonValue, tokens: readonly string[]): { container: Container; last: string } {
  const container = tokens.slice(0, -1).reduce(member, holder);
  if (!isContainer(container)) throw new PatchInvalid('no object or array is there to hold it');
  return { container, last: tokens.at(-1)! };
}

function isContainer(value: JsonValue): value is Container {
  return typeof value === 'object' && value !== null && !(value instanceof ExactNumber);
}

function member(value: JsonValue, token: string): JsonValue {
  const found = Array.isArray(value)
    ? value[indexOf(value, token)]
    : isContainer(value) && Object.hasOwn(value, token)
      ? value[token]
      : undefined;
  if (found === undefined) throw new PatchInvalid('nothing is there');
  return found;
}

/** `-` is the place after the last element, which only `add` may name. */
function indexOf(array: readonly JsonValue[], token: string): number {
  if (token === '-') return array.length;
  if (!/^(0|[1-9]\d{0,8})$/.test(token)) throw new PatchInvalid('an array needs an index');
  return Number(token);
}

function add(holder: JsonValue, tokens: readonly string[], value: JsonValue): void {
  const { container, last } = containerOf(holder, tokens);
  if (!Array.isArray(container)) {
    set(container, last, value);
    return;
  }
  const index = indexOf(container, last);
  if (index > container.length) throw new PatchInvalid('the index is beyond the end of the array');
  container.splice(index, 0, value);
}

/** In place: members keep their order. */
function replace(holder: JsonValue, tokens: readonly string[], value: JsonValue): void {
  const { container, last } = containerOf(holder, tokens);
  member(container, last);
  if (Array.isArray(container)) container[indexOf(container, last)] = value;
  else set(container, last, value);
}

/** `__proto__` is a name like any other. */
function set(container: { [key: string]: JsonValue }, name: string, value: JsonValue): void {
  Object.defineProperty(container, name, { value, enumerable: true, configurable: true, writable: true });
}

function remove(holder: JsonValue, tokens: readonly string[]): void {
  const { container, last } = containerOf(holder, tokens);
  member(container, last);
  if (Array.isArray(container)) container.splice(indexOf(container, last), 1);
  else delete container[last];
}

function clone(value: JsonValue): JsonValue {
  return parseLosslessJson(jsonText(value));
}
