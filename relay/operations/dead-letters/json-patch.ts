/**
 * RFC 6902: a list of operations on a JSON document. Pure: the document given is not changed. Numbers keep their digits.
 * @see https://www.rfc-editor.org/rfc/rfc6902
 */
import { z } from 'zod';
import { ExactNumber, type JsonValue, parseLosslessJson } from '../../encode/formats/json.ts';
import { jsonText } from './json-text.ts';

/** Why a patch cannot be read or applied; never with a value of the document. */
export class PatchInvalid extends Error {}

const pointer = z.string().regex(/^(\/([^~/]|~[01])*)*$/, 'is no JSON pointer');
const operation = z.discriminatedUnion('op', [
  z.object({ op: z.enum(['add', 'replace', 'test']), path: pointer, value: z.unknown() }),
  z.object({ op: z.literal('remove'), path: pointer }),
  z.object({ op: z.enum(['move', 'copy']), path: pointer, from: pointer }),
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
  throw new PatchInvalid(`the patch is no list of operations: ${path.join('.')} ${message}`);
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
      break;
    case 'test':
      if (!isSame(get(holder, to), givenValue(operation))) throw new PatchInvalid('the value is another one');
      break;
    case 'copy':
      add(holder, to, clone(get(holder, tokensOf(operation.from))));
      break;
    case 'move':
      if (operation.path.startsWith(`${operation.from}/`))
        throw new PatchInvalid('a value cannot be moved into itself');
      add(holder, to, remove(holder, tokensOf(operation.from)));
  }
}

function givenValue({ value }: { value?: unknown }): JsonValue {
  if (value === undefined) throw new PatchInvalid('has no value');
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
  if (!isContainer(container)) throw new PatchInvalid('there is no object or array to hold it');
  return { container, last: tokens.at(-1)! };
}

function isContainer(value: JsonValue): value is Container {
  return typeof value === 'object' && value !== null && !(value instanceof ExactNumber);
}

function get(holder: JsonValue, tokens: readonly string[]): JsonValue {
  return tokens.reduce(member, holder);
}

function member(value: JsonValue, token: string): JsonValue {
  const found = Array.isArray(value)
    ? value[indexOf(value, token)]
    : isContainer(value) && Object.hasOwn(value, token)
      ? value[token]
      : undefined;
  if (found === undefined) throw new PatchInvalid('there is nothing at this place');
  return found;
}

/** `-` is the place after the last element, which only `add` may name. */
function indexOf(array: readonly JsonValue[], token: string): number {
  if (token === '-') return array.length;
  if (!/^(0|[1-9]\d{0,8})$/.test(token)) throw new PatchInvalid('an array is indexed by numbers');
  return Number(token);
}

function add(holder: JsonValue, tokens: readonly string[], value: JsonValue): void {
  const { container, last } = containerOf(holder, tokens);
  if (!Array.isArray(container)) {
    set(container, last, value);
    return;
  }
  const index = indexOf(container, last);
  if (index > container.length) throw new PatchInvalid('the array is shorter');
  container.splice(index, 0, value);
}

/** In its place: members keep their order. */
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

function remove(holder: JsonValue, tokens: readonly string[]): JsonValue {
  const { container, last } = containerOf(holder, tokens);
  const removed = member(container, last);
  if (Array.isArray(container)) container.splice(indexOf(container, last), 1);
  else delete container[last];
  return removed;
}

function clone(value: JsonValue): JsonValue {
  return parseLosslessJson(jsonText(value));
}

/** Objects are equal whatever the order of their members. */
function isSame(one: JsonValue, other: JsonValue): boolean {
  if (!isContainer(one) || !isContainer(other)) return jsonText(one) === jsonText(other);
  if (Array.isArray(one) || Array.isArray(other))
    return (
      Array.isArray(one) &&
      Array.isArray(other) &&
      one.length === other.length &&
      one.every((each, index) => isSame(each, other[index]!))
    );
  const names = Object.keys(one);
  return (
    names.length === Object.keys(other).length &&
    names.every((name) => Object.hasOwn(other, name) && isSame(one[name]!, other[name]!))
  );
}
