/** Owns where the files of the release are, of the sources as of what is built from them. */
import { existsSync } from 'node:fs';
import path from 'node:path';

/** The folder of `package.json`, which has `migrations/` and the pages of the console below it. */
export const packageRoot = above(import.meta.dirname);

function above(folder: string): string {
  const isTop = folder === path.dirname(folder);
  return isTop || existsSync(path.join(folder, 'package.json')) ? folder : above(path.dirname(folder));
}
