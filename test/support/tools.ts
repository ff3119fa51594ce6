/**
 * The programs that `npm run tools` installs. Where one is missing, what needs it is skipped, and the run ends
 * with the reason; with DEPLOY_TOOLS=required it fails.
 */
import type { TestContext } from 'vitest';
import { findOperatorSchemas, findProgram, findSchemas, type Program } from '../../deploy/tools/programs.ts';

type Skip = Pick<TestContext, 'skip'>;

export const programOrSkip = (context: Skip, name: Program): string =>
  findProgram(name) ?? skipFor(context, name);

export const schemasOrSkip = (context: Skip): string =>
  findSchemas() ?? skipFor(context, 'the JSON Schemas of Kubernetes');

export const operatorSchemasOrSkip = (context: Skip): string =>
  findOperatorSchemas() ?? skipFor(context, 'the schemas of the operators');

export function skipFor({ skip }: Skip, what: string): never {
  const reason = `${what} is not installed: npm run tools`;
  if (process.env.DEPLOY_TOOLS === 'required') throw new Error(reason);
  return skip(reason);
}
