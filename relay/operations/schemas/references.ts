/**
 * Which files use types of other files, and in which order they can be read: each after those it uses. Pure. A name refers
 * to the type that a whole file describes, never to one inside it, as in a registry.
 */
import type { JsonValue } from '../../encode/formats/json.ts';
import { primitives } from './model.ts';

/** A file and the names in it. */
export type NamedFile = {
  /** Below the directory, with slashes. */
  readonly file: string;
  /** Full name of the type it describes. */
  readonly name: string;
  /** Full names that it uses and does not define, each with the names it may stand for. */
  readonly used: readonly (readonly string[])[];
};

/** Of each file, by its path, the files it refers to. */
export type Links = ReadonlyMap<string, readonly string[]>;

const complex = ['record', 'error', 'enum', 'fixed', 'array', 'map'];
const builtIn: ReadonlySet<string> = new Set([...primitives, ...complex]);

/** The full name of a schema's type (undefined if it has none), and the names that it uses and does not define. */
export function namesIn(schema: JsonValue): Pick<NamedFile, 'used'> & { readonly name: string | undefined } {
  const defined = new Set<string>();
  const used = new Map<string, readonly string[]>();
  const visit = (part: JsonValue | undefined, namespace: string): void => {
    if (typeof part === 'string') {
      if (builtIn.has(part)) return;
      const candidates = part.includes('.') ? [part] : [qualify(part, namespace), part];
      if (!candidates.some((name) => defined.has(name))) used.set(candidates[0]!, [...new Set(candidates)]);
      return;
    }
    if (Array.isArray(part)) {
      for (const branch of part) visit(branch, namespace);
      return;
    }
    if (!isObject(part)) return;
    const name = fullName(part, namespace);
    if (name !== undefined) defined.add(name);
    const inner = name === undefined ? namespace : name.slice(0, Math.max(0, name.lastIndexOf('.')));
    if (Array.isArray(part.fields)) {
      for (const field of part.fields) if (isObject(field)) visit(field.type, inner);
    }
    for (const key of ['items', 'values', 'type']) visit(part[key], inner);
  };
  visit(schema, '');
  return { name: isObject(schema) ? fullName(schema, '') : undefined, used: [...used.values()] };
}

/**
 * The files that each refers to. If several files define a name, that of the same folder wins, then that of the root.
 * @param onFault called for a name that stays ambiguous, with the file that uses it
 */
export function linkFiles(
  files: readonly NamedFile[],
  onFault: (file: string, fault: string) => void,
): Links {
  const links = new Map<string, string[]>();
  for (const { file, used } of files) {
    const targets = new Set<string>();
    for (const candidates of used) {
      const found = candidates
        .map((name) => files.filter((other) => other.name === name && other.file !== file))
        .find(({ length }) => length > 0);
      const chosen = found && choose(file, found);
      if (found !== undefined && chosen === undefined)
        onFault(
          file,
          `it uses ${candidates[0]}, which several files define: ${found.map((each) => each.file).join(', ')}`,
        );
      if (chosen !== undefined) targets.add(chosen.file);
    }
    links.set(file, [...targets]);
  }
  return links;
}

/** The files, each after those it refers to, else by path; undefined if they refer to each other in a circle. */
export function orderFiles(
  links: Links,
  onFault: (file: string, fault: string) => void,
): readonly string[] | undefined {
  const ordered = new Set<string>();
  let isCyclic = false;
  const place = (file: string, path: readonly string[]): void => {
    if (ordered.has(file)) return;
    if (path.includes(file)) {
      isCyclic = true;
      const cycle = [...path.slice(path.indexOf(file)), file];
      onFault(
        file,
        `it refers to itself through other files, which no registry accepts: ${cycle.join(' → ')}`,
      );
      return;
    }
    for (const target of links.get(file) ?? []) place(target, [...path, file]);
    ordered.add(file);
  };
  for (const file of [...links.keys()].sort()) place(file, []);
  return isCyclic ? undefined : [...ordered];
}

function choose(file: string, found: readonly NamedFile[]): NamedFile | undefined {
  if (found.length === 1) return found[0];
  const inFolder = (folder: string) => found.filter((each) => folderOf(each.file) === folder);
  for (const near of [inFolder(folderOf(file)), inFolder('')]) if (near.length === 1) return near[0];
  return undefined;
}

/** Empty for the root. */
export function folderOf(file: string): string {
  return file.slice(0, Math.max(0, file.lastIndexOf('/')));
}

function fullName(schema: { readonly [key: string]: JsonValue }, namespace: string): string | undefined {
  const { type, name, namespace: own } = schema;
  const isNamed = type === 'record' || type === 'error' || type === 'enum' || type === 'fixed';
  if (!isNamed || typeof name !== 'string') return undefined;
  return qualify(name, typeof own === 'string' ? own : namespace);
}

function qualify(name: string, namespace: string): string {
  return name.includes('.') || namespace === '' ? name : `${namespace}.${name}`;
}

function isObject(value: JsonValue | undefined): value is { [key: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && 'type' in value;
}
