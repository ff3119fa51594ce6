/** The differences between two versions of a schema, place by place; whether they break anybody is not judged here. */
import { jsonText } from '../json-text.ts';
import { describeType, type EnumNode, type Field, type Node, type RecordNode } from './model.ts';

export type Difference = {
  /** Place in the event, `$.lines[].price`. */
  readonly path: string;
  readonly kind: 'added' | 'removed' | 'type' | 'default' | 'doc' | 'aliases' | 'symbols' | 'name' | 'order';
  /** null where there was nothing. */
  readonly before: string | null;
  readonly after: string | null;
};

/** All differences, in the order of the newer schema's fields, removed ones last. */
export function diffSchemas(before: Node, after: Node): Difference[] {
  const differences: Difference[] = [];
  walk(before, after, '$', differences, new Set());
  return differences;
}

function walk(before: Node, after: Node, path: string, found: Difference[], seen: Set<Node>): void {
  if (before.kind === 'record' && after.kind === 'record') records(before, after, path, found, seen);
  else if (before.kind === 'enum' && after.kind === 'enum') enums(before, after, path, found);
  else if (before.kind === 'array' && after.kind === 'array')
    walk(before.items, after.items, `${path}[]`, found, seen);
  else if (before.kind === 'map' && after.kind === 'map')
    walk(before.values, after.values, `${path}[*]`, found, seen);
  else if (before.kind === 'union' && after.kind === 'union' && describeType(before) === describeType(after))
    for (const [index, branch] of before.branches.entries())
      walk(branch, after.branches[index]!, path, found, seen);
  else {
    note(found, path, 'type', describeType(before), describeType(after));
    if (before.kind === 'fixed' && after.kind === 'fixed') {
      note(found, path, 'doc', before.doc, after.doc);
      note(found, path, 'aliases', list(before.aliases), list(after.aliases));
    }
  }
}

function records(
  before: RecordNode,
  after: RecordNode,
  path: string,
  found: Difference[],
  seen: Set<Node>,
): void {
  if (seen.has(after)) return;
  seen.add(after);
  named(before, after, path, found);
  for (const field of after.fields) {
    const place = `${path}.${field.name}`;
    const old = before.fields.find(({ name }) => name === field.name);
    if (old === undefined) note(found, place, 'added', undefined, describeField(field));
    else fields(old, field, place, found, seen);
  }
  const names = new Set(after.fields.map(({ name }) => name));
  for (const field of before.fields)
    if (!names.has(field.name))
      note(found, `${path}.${field.name}`, 'removed', describeField(field), undefined);
  const kept = (record: RecordNode, other: RecordNode) =>
    list(
      record.fields.map(({ name }) => name).filter((name) => other.fields.some((each) => each.name === name)),
    );
  note(found, path, 'order', kept(before, after), kept(after, before));
}

function fields(before: Field, after: Field, path: string, found: Difference[], seen: Set<Node>): void {
  walk(before.type, after.type, path, found, seen);
  note(found, path, 'default', defaultOf(before), defaultOf(after));
  note(found, path, 'doc', before.doc, after.doc);
  note(found, path, 'aliases', list(before.aliases), list(after.aliases));
}

function enums(before: EnumNode, after: EnumNode, path: string, found: Difference[]): void {
  named(before, after, path, found);
  note(found, path, 'symbols', list(before.symbols), list(after.symbols));
  note(found, path, 'default', before.fallback, after.fallback);
}

function named(before: RecordNode | EnumNode, after: typeof before, path: string, found: Difference[]): void {
  note(found, path, 'name', before.name, after.name);
  note(found, path, 'doc', before.doc, after.doc);
  note(found, path, 'aliases', list(before.aliases), list(after.aliases));
}

function note(
  found: Difference[],
  path: string,
  kind: Difference['kind'],
  before: string | undefined,
  after: string | undefined,
): void {
  if (before !== after) found.push({ path, kind, before: before ?? null, after: after ?? null });
}

function describeField(field: Field): string {
  const fallback = defaultOf(field);
  return fallback === undefined ? describeType(field.type) : `${describeType(field.type)} = ${fallback}`;
}

function defaultOf({ fallback }: Field): string | undefined {
  return fallback === undefined ? undefined : jsonText(fallback);
}

function list(items: readonly string[]): string | undefined {
  return items.length === 0 ? undefined : items.join(', ');
}
