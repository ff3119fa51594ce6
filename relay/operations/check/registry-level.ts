/** Whether the registry refuses schemas that break consumers. At NONE it does not, and nothing else would notice. */
import { existsSync } from 'node:fs';
import type { Config } from '../../config/config.ts';
import { RelayError } from '../../errors.ts';
import { counted } from '../../model/counted.ts';
import { readSchemaFiles } from '../schemas/files.ts';
import { hidesLevel, type Levels, levelAdvice, notAskedAdvice, readLevels } from '../schemas/level-advice.ts';
import { SubjectHistory } from '../schemas/subject-history.ts';
import { isOfNaming } from '../schemas/subjects.ts';
import { ok, type Verdict, warn } from './finding.ts';
import type { RegistryCheck } from './registry.ts';

/** Without schema files, as in a Pod: a few hundred requests at most, of which a registry answers some thousands a second. */
const subjectsMax = 200;

export const compatibilityLevel: RegistryCheck = {
  name: 'compatibility level',
  async run({ config }) {
    try {
      const history = new SubjectHistory(config.registry);
      const subjects = (await subjectsOfFiles(config)) ?? (await subjectsOfEvents(history, config));
      return judgeLevels(config.registry, await readLevels(history, subjects));
    } catch (error) {
      if (!(error instanceof RelayError)) throw error;
      const { explanation, remedy } = notAskedAdvice(error);
      return warn(explanation, remedy);
    }
  },
};

/** undefined where there are no files, or files with a fault, of which the check of the subjects speaks. */
async function subjectsOfFiles(config: Config): Promise<string[] | undefined> {
  if (!existsSync(config.schemas.directory)) return undefined;
  const files = await readSchemaFiles(config).catch(() => undefined);
  return files?.map(({ subject }) => subject);
}

async function subjectsOfEvents(history: SubjectHistory, config: Config): Promise<string[]> {
  const all = await history.subjects();
  return all.filter((subject) => isOfNaming(config, subject)).slice(0, subjectsMax);
}

export function judgeLevels(registry: Config['registry'], levels: Levels): Verdict {
  const advice = levelAdvice(registry, levels);
  if (advice !== undefined) return warn(advice.explanation, advice.remedy);
  const own = levels.subjects.filter(({ isOwn }) => isOwn);
  const names = [...new Set(own.map(({ level }) => level))].toSorted().join(', ');
  const others = own.length === 0 ? '' : `; ${counted(own.length, 'subject')} with another: ${names}`;
  return ok(
    hidesLevel(levels)
      ? `the registry says NONE, but refuses a schema that breaks consumers: it has a level that it does not show${others}`
      : `${levels.registry}${others}`,
  );
}
