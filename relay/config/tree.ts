/** Settings as they are read, before they are judged: mappings by key, and what lies at a path of keys. */

export type Tree = Record<string, unknown>;

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function getIn(tree: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((node, key) => (isTree(node) ? node[key] : undefined), tree);
}

export function hasIn(tree: unknown, path: readonly string[]): boolean {
  return getIn(tree, path) !== undefined;
}

export function setIn(tree: Tree, path: readonly string[], value: unknown): void {
  let node = tree;
  for (const key of path.slice(0, -1)) {
    const child = node[key];
    if (isTree(child)) node = child;
    else {
      const made: Tree = {};
      node[key] = made;
      node = made;
    }
  }
  node[path.at(-1)!] = value;
}

/** Also a key that is there without a value. */
export function removeIn(tree: Tree, path: readonly string[]): void {
  const parent = getIn(tree, path.slice(0, -1));
  if (isTree(parent)) delete parent[path.at(-1)!];
}
