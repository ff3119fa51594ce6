/** Reads the paths that the relay writes, such as `$.lines[3].price` and `$.paid["shop.Card"].number`. Pure. */

/** A name, an index, or `*` for the key of a map, which the relay never names. */
export type PathToken = string | number;

/** @returns undefined for what is not such a path, as where there is none */
export function tokensOfPath(path: string | null): PathToken[] | undefined {
  if (path === null || !path.startsWith('$')) return undefined;
  const tokens: PathToken[] = [];
  // A name in quotes is the branch of a union.
  const part = /\.([^.[\]]+)|\[(?:(\d+)|(\*)|"([^"\\]+)")\]/y;
  for (let at = 1; at < path.length; at = part.lastIndex) {
    part.lastIndex = at;
    const [found, name, index, anyKey, branch] = part.exec(path) ?? [];
    if (found === undefined) return undefined;
    tokens.push(index === undefined ? (name ?? anyKey ?? branch)! : Number(index));
  }
  return tokens;
}
