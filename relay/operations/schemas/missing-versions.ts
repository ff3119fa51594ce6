/**
 * Versions that `schemas.versions` names and that the registry does not have. The relay refuses every event of such a subject,
 * so whatever looks at the registry calls it a fault, in the same words.
 */
import type { RegistryClient } from '../../encode/registry/registry-client.ts';
import { heldVersions } from '../../encode/targets.ts';
import type { Advice } from './level-advice.ts';

export type HeldVersion = { readonly subject: string; readonly version: number };

/**
 * A relay that runs may still have a deleted one in its memory.
 * @param isLater subjects whose versions are only being made, so that nobody knows yet
 * @throws RelayError REGISTRY_*, SCHEMA_INVALID
 */
export async function missingVersions(
  client: RegistryClient,
  versions: readonly string[],
  isLater: ReadonlySet<string> = new Set(),
): Promise<HeldVersion[]> {
  const missing: HeldVersion[] = [];
  for (const [subject, version] of heldVersions(versions))
    if (!isLater.has(subject) && (await client.version(subject, version)) === undefined)
      missing.push({ subject, version });
  return missing;
}

/** undefined where none is missing. */
export function missingAdvice(missing: readonly HeldVersion[]): Advice | undefined {
  if (missing.length === 0) return undefined;
  const names = missing.map(({ subject, version }) => `version ${version} of ${subject}`);
  return {
    explanation: `the registry has no ${names.join(', and no ')}, which schemas.versions names: the relay refuses every event of it`,
    remedy: 'Correct or remove the entry in schemas.versions, then resubmit what became a dead letter.',
  };
}
