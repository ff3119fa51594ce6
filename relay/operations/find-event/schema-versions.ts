/** Which subjects and versions have a schema, by its id. @see https://docs.confluent.io/platform/current/schema-registry/develop/api.html */
import type { Config } from '../../config/config.ts';
import { RegistryHttp } from '../../connect/registry-http.ts';
import { RelayError } from '../../errors.ts';

export type SchemaVersion = { readonly subject: string; readonly version: number };

/** @returns none where the registry has no such schema @throws RelayError REGISTRY_* */
export async function versionsOfSchema(http: RegistryHttp, id: number): Promise<SchemaVersion[]> {
  const doing = `reading where schema ${id} is registered`;
  const { status, body, at } = await http.ask(doing, 'GET', `/schemas/ids/${id}/versions`);
  if (status === 404) return [];
  if (status === 401 || status === 403)
    throw new RelayError('REGISTRY_UNAUTHORIZED', `${doing} at ${at}: the registry answers ${status}`);
  if (status !== 200 || !Array.isArray(body))
    throw new RelayError('REGISTRY_UNAVAILABLE', `${doing} at ${at}: the registry answers ${status}`);
  return (body as unknown[]).filter(isVersion);
}

const isVersion = (each: unknown): each is SchemaVersion =>
  typeof each === 'object' &&
  each !== null &&
  typeof (each as SchemaVersion).subject === 'string' &&
  typeof (each as SchemaVersion).version === 'number';

export const registryOf = ({ registry }: Config) => new RegistryHttp(registry);
