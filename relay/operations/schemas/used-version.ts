/**
 * Which version of a subject the relay encodes with, and what is said if the file is another one: people take the file for the
 * schema of the events. Pure.
 */
import { heldVersions } from '../../encode/targets.ts';
import type { Registered } from './files.ts';
import type { Advice } from './level-advice.ts';

/** The version of `schemas.versions`, else the latest. The header `schema-version` of a row goes before both. */
export function usedVersion(versions: readonly string[], subject: string, latestVersion: number): number {
  return heldVersions(versions).get(subject) ?? latestVersion;
}

/** undefined where the relay encodes with the version of the file. */
export function versionAdvice(
  versions: readonly string[],
  subject: string,
  { version, latestVersion }: Pick<Registered, 'version' | 'latestVersion'>,
): Advice | undefined {
  const held = heldVersions(versions).get(subject);
  if ((held ?? latestVersion) === version) return undefined;
  if (held !== undefined)
    return {
      explanation: `the file is version ${version} of ${subject}, but the relay encodes with version ${held}, which schemas.versions names`,
      remedy: `In the list schemas.versions, change the entry to ${subject}=${version}, or remove it: then the latest counts, which is version ${latestVersion}.`,
    };
  return {
    explanation: `the file is version ${version} of ${subject}, but the latest is version ${latestVersion}, with which the relay encodes`,
    remedy: `If version ${latestVersion} is right, bring the file up to date. If the file is right, add ${subject}=${version} to the list of schemas.versions (schemas: { versions: ['${subject}=${version}'] }), or register it with a change that no consumer notices, such as its "doc", so that it becomes the latest. See "Undo a bad schema version" in docs/guides/schemas.md.`,
  };
}
