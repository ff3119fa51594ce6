/**
 * Owns which type of a schema an event is of: the one that its `type` names. The promise that no event is published as
 * another one of the same topic rests on it, for their fields may be alike. Pure.
 */
import type { NamedWriter, SchemaWriters, ValueWriter } from './formats/format.ts';

/** `record`: the type names a type of the schema. `any`: it may name none, where nothing has to be guessed. */
export type TypeMatch = 'record' | 'any';

/** As many names of a union as a message shows. */
const namesShownMax = 10;

/**
 * The writer of an event, or why there is none, in words.
 * @param type of the row, which is not empty
 * @param namespace what stands before a type without a dot, as in subjects; may be empty
 */
export function writerOf(
  writers: SchemaWriters,
  type: string,
  namespace: string,
  match: TypeMatch,
): ValueWriter | string {
  const { named, isUnion } = writers;
  // A schema of a string, an array, a map: there is no name that could be right or wrong.
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
 * Those that a type names: by full name, else by an alias, which is the name that it had before. Without a namespace in
 * the type or in the settings, by the simple name.
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
