/** TypeScript types of the events, from the schema files. Needs no server. */
import type { Config } from '../../config/config.ts';
import { readSchemaFiles } from './files.ts';
import { type RecordNode, readModel } from './model.ts';
import { generateTypes } from './types.ts';

/** @returns the text of a module. @throws RelayError CONFIG_INVALID */
export async function generateEventTypes(config: Config): Promise<string> {
  const events = (await readSchemaFiles(config))
    .filter(({ isEvent }) => isEvent)
    .map(({ file, schemaText, usedTexts }) => ({
      aggregatetype: file.split('/')[0]!,
      // Only records are events.
      root: readModel(schemaText, usedTexts) as RecordNode,
    }));
  return generateTypes(events, config.schemas.bytes);
}
