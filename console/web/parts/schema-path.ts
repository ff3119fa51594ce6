/** Finds in an Avro schema what describes a place in a payload. Pure. */
import type { PathToken } from '../../../relay/operations/dead-letters/letter-path.ts';

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
type Spot = { readonly node: Json; readonly at: readonly PathToken[] };

/**
 * @param type name of the event's record, for a schema that has several
 * @returns the place in the schema's JSON, as far as the path can be followed; undefined where the schema cannot be read
 */
export function schemaPlace(
  schemaText: string,
  type: string | null,
  path: readonly PathToken[],
): readonly PathToken[] | undefined {
  let root: Json;
  try {
    root = JSON.parse(schemaText) as Json;
  } catch {
    return undefined;
  }
  const named = new Map<string, Spot>();
  collect({ node: root, at: [] }, '', named);
  const begin = (type !== null && named.get(type)) || { node: root, at: [] };
  return follow(begin, path, named).at;
}

const isObject = (node: Json | undefined): node is { [name: string]: Json } =>
  typeof node === 'object' && node !== null && !Array.isArray(node);

/** Types by their full name and, where it is free, by their short one. */
function collect({ node, at }: Spot, space: string, named: Map<string, Spot>): void {
  if (Array.isArray(node)) {
    for (const [index, each] of node.entries()) collect({ node: each, at: [...at, index] }, space, named);
    return;
  }
  if (!isObject(node)) return;
  let inner = space;
  if (typeof node.name === 'string' && typeof node.type === 'string') {
    const dot = node.name.lastIndexOf('.');
    inner = dot > 0 ? node.name.slice(0, dot) : typeof node.namespace === 'string' ? node.namespace : space;
    const short = node.name.slice(dot + 1);
    named.set(inner === '' ? short : `${inner}.${short}`, { node, at });
    if (!named.has(short)) named.set(short, { node, at });
  }
  for (const name of ['type', 'items', 'values'] as const)
    if (typeof node[name] === 'object') collect({ node: node[name], at: [...at, name] }, inner, named);
  if (Array.isArray(node.fields))
    for (const [index, field] of node.fields.entries())
      if (isObject(field) && field.type !== undefined)
        collect({ node: field.type, at: [...at, 'fields', index, 'type'] }, inner, named);
}

type Followed = { readonly at: readonly PathToken[]; readonly steps: number };

function follow(spot: Spot, path: readonly PathToken[], named: ReadonlyMap<string, Spot>): Followed {
  const stay = { at: spot.at, steps: 0 };
  const [token, ...rest] = path;
  if (token === undefined) return stay;
  const { node, at } = spot;
  if (typeof node === 'string') {
    const found = named.get(node);
    return found === undefined ? stay : atLeast(stay, follow(found, path, named));
  }
  if (Array.isArray(node)) {
    // The path names a branch where the payload does.
    const index = node.findIndex((each) => isNamed(each, token, named));
    if (index >= 0) {
      const inside = follow({ node: node[index]!, at: [...at, index] }, rest, named);
      return { at: inside.at, steps: inside.steps + 1 };
    }
    const branches = node.map((each, index) => follow({ node: each, at: [...at, index] }, path, named));
    return branches.reduce((best, each) => (each.steps > best.steps ? each : best), stay);
  }
  if (!isObject(node)) return stay;
  if (Array.isArray(node.fields)) {
    const index = node.fields.findIndex((field) => isObject(field) && field.name === token);
    const field = node.fields[index];
    if (!isObject(field)) return stay;
    const inside = follow({ node: field.type ?? null, at: [...at, 'fields', index, 'type'] }, rest, named);
    return inside.steps === 0
      ? { at: [...at, 'fields', index], steps: 1 }
      : { at: inside.at, steps: inside.steps + 1 };
  }
  const holds = node.items !== undefined ? 'items' : node.values !== undefined ? 'values' : undefined;
  if (holds !== undefined) {
    const inside = follow({ node: node[holds]!, at: [...at, holds] }, rest, named);
    return { at: inside.at, steps: inside.steps + 1 };
  }
  return node.type === undefined ? stay : follow({ node: node.type, at: [...at, 'type'] }, path, named);
}

/** Whether the token names this branch of a union: the full name of a type, or that of one without a name. */
function isNamed(branch: Json, token: PathToken, named: ReadonlyMap<string, Spot>): boolean {
  if (typeof token !== 'string') return false;
  const type = isObject(branch) ? branch.type : branch;
  const meant = named.get(token);
  if (meant === undefined) return type === token && unnamed.has(token);
  return branch === meant.node || (typeof branch === 'string' && named.get(branch)?.node === meant.node);
}

const unnamed: ReadonlySet<string> = new Set(
  'null boolean int long float double bytes string array map'.split(' '),
);

const atLeast = (stay: Followed, found: Followed) => (found.steps > 0 ? found : stay);
