/** Reads the paths that the relay writes, such as `$.lines[3].price`. Pure. */

/** `*` stands for any key of a map or index of an array. */
export type PathToken = string | number;

/** @returns undefined for what is not such a path */
export function tokensOfPath(path: string | null): PathToken[] | undefined {
  if (path === null || !path.startsWith('$')) return undefined;
  const tokens: PathToken[] = [];
  const part = /\.([^.[\]]+)|\[(\d+|\*)\]/y;
  for (let at = 1; at < path.length; at = part.lastIndex) {
    part.lastIndex = at;
    const [, name, index] = part.exec(path) ?? [];
    if (name !== undefined) tokens.push(name);
    else if (index === undefined) return undefined;
    else tokens.push(index === '*' ? '*' : Number(index));
  }
  return tokens;
}
