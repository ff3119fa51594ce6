/** Makes the types of the library: the declarations that `index.d.ts` leads to, and none of the others. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** @param made what the compiler wrote for every file that the library imports */
export async function keepReachableTypes(made: string, dist: string, entry: string): Promise<void> {
  const seen = new Set<string>();
  const visit = async (file: string): Promise<void> => {
    if (seen.has(file)) return;
    seen.add(file);
    const text = await readFile(path.join(made, file), 'utf8');
    // The compiler leaves the names of the sources in declarations.
    await writeFile(
      path.join(dist, file),
      text.replace(/(from|import)(\s*\(?['"]\.{1,2}\/[^'"]+)\.ts(?=['"])/g, '$1$2.js'),
    );
    for (const [, from] of text.matchAll(/(?:from|import)\s*\(?['"](\.{1,2}\/[^'"]+)\.[jt]s['"]/g))
      await visit(path.join(path.dirname(file), `${from}.d.ts`));
  };
  await visit(entry);
  await rm(made, { recursive: true });
}
