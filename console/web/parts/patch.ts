/** Writes a JSON patch (RFC 6902) from what a person fills in. Pure. Values are text, so that numbers keep their digits. */
import { compact, isJson } from './json-text.ts';

export type ValueKind = 'text' | 'number' | 'json' | 'true' | 'false' | 'null';

/** What a value is written as; the value itself stays. */
export type ConvertKind = 'number' | 'text' | 'boolean';

export type Step =
  | { readonly kind: 'convert'; readonly path: string; readonly to: ConvertKind }
  | { readonly kind: 'set'; readonly path: string; readonly as: ValueKind; readonly value: string }
  | { readonly kind: 'remove'; readonly path: string }
  | { readonly kind: 'rename'; readonly path: string; readonly to: string };

export type Written = { readonly patch: string } | { readonly fault: string; readonly step: number };

/** @returns the patch as text; or what is wrong with which step */
export function writePatch(steps: readonly Step[]): Written {
  const operations: string[] = [];
  for (const [index, step] of steps.entries()) {
    const pointer = pointerOf(step.path);
    if (pointer === undefined) return { fault: 'Write the field as in lines[0].price', step: index };
    if (pointer === '') return { fault: 'Name a field', step: index };
    const path = JSON.stringify(pointer);
    if (step.kind === 'convert') operations.push(`{ "op": "convert", "path": ${path}, "to": "${step.to}" }`);
    else if (step.kind === 'remove') operations.push(`{ "op": "remove", "path": ${path} }`);
    else if (step.kind === 'rename') {
      if (step.to.trim() === '') return { fault: 'Write the new name', step: index };
      const to = `${pointer.slice(0, pointer.lastIndexOf('/'))}/${escaped(step.to.trim())}`;
      operations.push(`{ "op": "move", "from": ${path}, "path": ${JSON.stringify(to)} }`);
    } else {
      const value = textOf(step);
      if (value === undefined)
        return { fault: step.as === 'number' ? 'Write a number' : 'Write valid JSON', step: index };
      // In an array, `add` would move the element aside.
      const op = /\/(\d+|\*)$/.test(pointer) ? 'replace' : 'add';
      operations.push(`{ "op": "${op}", "path": ${path}, "value": ${value} }`);
    }
  }
  return { patch: operations.length === 0 ? '[]' : `[\n  ${operations.join(',\n  ')}\n]` };
}

function textOf({ as, value }: Extract<Step, { kind: 'set' }>): string | undefined {
  switch (as) {
    case 'text':
      return JSON.stringify(value);
    case 'number':
      return /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(value.trim()) ? value.trim() : undefined;
    case 'json':
      return isJson(value) ? compact(value) : undefined;
    default:
      return as;
  }
}

const escaped = (name: string) => name.replaceAll('~', '~0').replaceAll('/', '~1');

/**
 * @param path `$.lines[3].price`, `lines[3].price`, or a JSON pointer already; `[*]` is the element at which an event is
 * refused
 */
export function pointerOf(path: string): string | undefined {
  const text = path.trim();
  if (text.startsWith('/')) return /^(\/([^~/]|~[01])*)*$/.test(text) ? text : undefined;
  const dotted = text.replace(/^\$/, '');
  const parts = dotted === '' || /^[.[]/.test(dotted) ? dotted : `.${dotted}`;
  let pointer = '';
  // A name in quotes is the branch of a union.
  const part = /\.([^.[\]]+)|\[(?:(\d+|-|\*)|"([^"\\]+)")\]/y;
  for (let at = 0; at < parts.length; at = part.lastIndex) {
    part.lastIndex = at;
    const [, name, index, branch] = part.exec(parts) ?? [];
    const token = name ?? index ?? branch;
    if (token === undefined) return undefined;
    pointer += `/${escaped(token)}`;
  }
  return pointer;
}

/**
 * What a person begins with who writes a patch as text. Of a field that is known, it keeps each event's own value; of one
 * that is not, it finds nothing to replace. @param path at which the events are refused
 */
export function examplePatch(path: string): string {
  const pointer = pointerOf(path) ?? '';
  const operation =
    pointer === ''
      ? '{ "op": "replace", "path": "/name/of/the/field", "value": "new value" }'
      : `{ "op": "convert", "path": ${JSON.stringify(pointer)}, "to": "number" }`;
  return `[\n  ${operation}\n]`;
}

/** Apart from white space. */
export const isSamePatch = (one: string, other: string): boolean => compact(one) === compact(other);

/** What is wrong with a patch as text, as far as it can be said here; undefined where the server shall say. */
export function patchFault(text: string): string | undefined {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    return 'The patch is not JSON';
  }
  if (!Array.isArray(read)) return 'The patch is not a list of operations';
  return read.length === 0 ? 'The patch has no operation' : undefined;
}
