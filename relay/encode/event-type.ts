/**
 * Decides which type of a schema an event has: the one that its `type` names. The promise that no event is published as
 * a different event of the same topic rests on this, because their fields may be the same. Pure.
 */
import type { NamedWriter, SchemaWriters, ValueWriter } from './formats/format.ts';

/** `record`: the type must name a type of the schema. `any`: it may name none. */
export type TypeMatch = 'record' | 'any';

/** Most names of a union that a message lists. */
const namesShownMax = 10;

/**
 * The writer for an event, or the reason why there is none.
 * @param type the row's type; not empty
 * @param namespace prefix of a type without a dot, as in subjects; may be empty
 */
export function writerOf(
  writers: SchemaWriters,
  type: string,
  namespace: string,
  match: TypeMatch,
): ValueWriter | string {
  const { named, isUnion } = writers;
  // A string, an array or a map has no name to compare with.
  if (named.length === 0) return writers.write;
  const meant = namedBy(type, namespace, named);
  if (meant.length === 1) return meant[0]!.write;
  if (match === 'any') return isUnion ? writers.writeWrapped : writers.write;
  const names = named.slice(0, namesShownMax).map(({ name }) => name);
  const shown = [...names, ...(named.length > names.length ? ['…'] : [])].join(', ');
  if (meant.length > 1) return `the type names more than one branch of the union: ${shown}`;
  return isUnion
    ? `the type names no branch of the union, which has ${shown}`
    : `the type does not name the schema, which is ${shown}`;
}

/**
 * The types that `type` names: by full name, or else by alias, which is an earlier name. If neither the type nor the
 * settings have a namespace, by simple name.
 */
function namedBy(type: string, namespace: string, types: readonly NamedWriter[]): readonly NamedWriter[] {
  const isSimple = !type.includes('.');
  const fullNames = isSimple && namespace !== '' ? [type, `${namespace}.${type}`] : [type];
  for (const wanted of fullNames) {
    const found =
      types.find(({ name }) => name === wanted) ?? types.find(({ aliases }) => aliases.includes(wanted));
    if (found !== undefined) return [found];
  }
  return isSimple && namespace === '' ? types.filter(({ name }) => simpleName(name) === type) : [];
}

function simpleName(fullName: string): string {
  return fullName.slice(fullName.lastIndexOf('.') + 1);
}
