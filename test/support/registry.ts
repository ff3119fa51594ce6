/** Registers schemas in the registry of the tests. */
import * as harness from '../../harness/registry.ts';
import { servers } from './servers.ts';

export async function registerSchema(
  subject: string,
  schema: object | string,
  schemaType?: string,
): Promise<number> {
  return harness.registerSchema((await servers()).registryUrl, subject, schema, schemaType);
}
