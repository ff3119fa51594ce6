/** Finds places in JSON text by the tokens of a path. Pure. */
import { jsonLanguage } from '@codemirror/lang-json';
import type { PathToken } from '../../../relay/operations/dead-letters/letter-path.ts';

export type Place = {
  readonly from: number;
  readonly to: number;
  /** Whether it is what the path names; otherwise the last that is there of what holds it. */
  readonly isExact: boolean;
};

type Node = NonNullable<ReturnType<typeof jsonLanguage.parser.parse>['topNode']['firstChild']>;

/** @returns undefined where the text holds no JSON */
export function placeOf(text: string, tokens: readonly PathToken[]): Place | undefined {
  const top = jsonLanguage.parser.parse(text).topNode.firstChild;
  if (top === null) return undefined;
  let node: Node = top;
  let range: { from: number; to: number } = top;
  for (const token of tokens) {
    const found = childOf(node, token, text);
    if (found === undefined) return { from: range.from, to: range.to, isExact: false };
    range = found.range;
    node = found.value;
  }
  return { from: range.from, to: range.to, isExact: true };
}

function childOf(node: Node, token: PathToken, text: string): { range: Node; value: Node } | undefined {
  if (node.name === 'Array' && typeof token === 'number') {
    let index = 0;
    for (let each = node.firstChild; each !== null; each = each.nextSibling)
      if (isValue(each.name) && index++ === token) return { range: each, value: each };
    return undefined;
  }
  if (node.name !== 'Object' || token === '*') return undefined;
  let last: { range: Node; value: Node } | undefined;
  for (let each = node.firstChild; each !== null; each = each.nextSibling) {
    if (each.name !== 'Property') continue;
    const name = each.firstChild;
    const value = each.lastChild;
    // Of a name that is there twice, the last one counts.
    if (name !== null && value !== null && nameIn(text.slice(name.from, name.to)) === String(token))
      last = { range: each, value };
  }
  return last;
}

const isValue = (name: string) => /^(Object|Array|String|Number|True|False|Null)$/.test(name);

function nameIn(quoted: string): string | undefined {
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return undefined;
  }
}
