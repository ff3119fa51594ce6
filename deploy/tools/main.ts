/** `npm run tools`: installs the programs with which the tests judge chart, manifests and workflows. */
import { installPrograms } from './programs.ts';

const missing = await installPrograms((text) => console.log(text));
for (const each of missing) console.error(`error: ${each}`);
console.log(missing.length === 0 ? 'all tools are installed' : 'tests that need the others are skipped');
process.exitCode = missing.length === 0 ? 0 : 1;
