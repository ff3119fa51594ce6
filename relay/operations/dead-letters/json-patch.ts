/**
 * JSON patches (RFC 6902). Pure: the given document is not changed. Numbers keep their digits.
 * @see https://www.rfc-editor.org/rfc/rfc6902
 */

import { z } from 'zod';
import { isSameNumber } from '../../encode/formats/exact-number.ts';
import { ExactNumber, type JsonValue, parseJsonAsWritten } from '../../encode/formats/json.ts';
import { RequestInvalid } from '../../errors.ts';
import { jsonText } from '../json-text.ts';

/** A patch that cannot be read or applied; never with a value of the document. */
export class PatchInvalid extends RequestInvalid {}

const pointer = z.string().regex(/^(\/([^~/]|~[01])*)*$/, 'is not a JSON pointer');
const operation = z.discriminatedUnion('op', [
  z.object({ op: z.enum(['add', 'replace', 'test']), path: pointer, value: z.unknown() }),
  z.object({ op: z.enum(['move', 'copy']), path: pointer, from: pointer }),
  z.object({ op: z.literal('remove'), path: pointer }),
]);
type Operation = z.output<typeof operation>;

/** Of what a patch copies, in characters: a few copies of the whole into itself double it each time. */
const copiedMax = 16 * 1024 * 1024;

/** @throws PatchInvalid; RangeError where the result is nested more deeply than a stack */
export function applyPatch(document: JsonValue, patchText: string): JsonValue {
  // A holder makes the whole document a member like any other: the empty pointer names it.
  const holder: JsonValue = { document: clone(document) };
  const budget = { characters: copiedMax };
  for (const [index, each] of parsePatch(patchText).entries())
    try {
      applyOne(holder, each, budget);
    } catch (error) {
      if (!(error instanceof PatchInvalid)) throw error;
      throw new PatchInvalid(`operation ${index} (${each.op} ${each.path}): ${error.message}`);
    }
  return holder.document!;
}

/** @throws PatchInvalid */
export function parsePatch(text: string): Operation[] {
  let read: JsonValue;
  try {
    read = parseJsonAsWritten(text);
  } catch {
    throw new PatchInvalid('the patch is not JSON');
  }
  const parsed = z.array(operation).safeParse(read);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  throw new PatchInvalid(
    `the patch is not a list of operations of RFC 6902: at ${path.join('.')}: ${message}`,
  );
}

function applyOne(holder: JsonValue, operation: Operation, budget: { characters: number }): void {
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
    case 'move': {
      const from = tokensOf(operation.from);
      if (operation.path.startsWith(`${operation.from}/`))
        throw new PatchInvalid('a value cannot move into itself');
      const moved = from.reduce(member, holder);
      remove(holder, from);
      add(holder, to, moved);
      break;
    }
    case 'copy':
      add(holder, to, copied(tokensOf(operation.from).reduce(member, holder), budget));
      break;
    case 'test':
      if (!isSame(to.reduce(member, holder), givenValue(operation)))
        throw new PatchInvalid('another value is there');
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

/** Members in any order; numbers by their value, however they are written. */
function isSame(left: JsonValue, right: JsonValue): boolean {
  if (isNumber(left) && isNumber(right)) return isSameNumber(numberText(left), numberText(right));
  if (!isContainer(left) || !isContainer(right)) return left === right;
  if (Array.isArray(left) !== Array.isArray(right)) return false;
  const names = Object.keys(left);
  const [of, to] = [left, right] as { [key: string]: JsonValue }[];
  return (
    names.length === Object.keys(right).length &&
    names.every((name) => Object.hasOwn(right, name) && isSame(of![name]!, to![name]!))
  );
}

const isNumber = (value: JsonValue): value is number | bigint | ExactNumber =>
  typeof value === 'number' || typeof value === 'bigint' || value instanceof ExactNumber;
const numberText = (value: number | bigint | ExactNumber) =>
  value instanceof ExactNumber ? value.source : String(value);

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

function copied(value: JsonValue, budget: { characters: number }): JsonValue {
  const text = jsonText(value);
  budget.characters -= text.length;
  if (budget.characters < 0) throw new PatchInvalid('it copies too much');
  return parseJsonAsWritten(text);
}

function clone(value: JsonValue): JsonValue {
  return parseJsonAsWritten(jsonText(value));
}

/** Whether it asks what a payload holds. @throws PatchInvalid */
export function isTestingPatch(text: string): boolean {
  return parsePatch(text).some(({ op }) => op === 'test');
}
