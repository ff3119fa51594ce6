/** The release that runs, as `package.json` names it. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { packageRoot } from './package-root.ts';

// Not imported: Node 20 warns of modules in JSON.
const release = JSON.parse(readFileSync(path.join(packageRoot, 'package.json'), 'utf8')) as {
  version: string;
};

export const { version } = release;
