/**
 * What is said where a registry accepts schemas that break consumers, and how to set a level: in the same words by whatever
 * looks at the registry. A level that could not be asked is said too, since nobody knows then that all is well.
 */
import type { Config } from '../../config/config.ts';
import type { RelayError } from '../../errors.ts';
import { counted } from '../../model/counted.ts';
import type { Level, LevelOfSubject, SubjectHistory } from './subject-history.ts';

/** What is wrong, and what to do. */
export type Advice = { readonly explanation: string; readonly remedy: string };

export type SubjectLevel = LevelOfSubject & { readonly subject: string };

/** What applies to some subjects, and what the registry says of all that have no level of their own. */
export type Levels = { readonly registry: Level; readonly subjects: readonly SubjectLevel[] };

/** Levels are asked of so many subjects at once. */
const atOnce = 8;

/** @throws RelayError REGISTRY_* if one of them could not be asked */
export async function readLevels(history: SubjectHistory, subjects: readonly string[]): Promise<Levels> {
  const registry = await history.registryLevel();
  const found: SubjectLevel[] = [];
  for (let index = 0; index < subjects.length; index += atOnce)
    found.push(
      ...(await Promise.all(
        subjects
          .slice(index, index + atOnce)
          .map(async (subject) => ({ subject, ...(await history.level(subject, registry)) })),
      )),
    );
  return { registry, subjects: found };
}

/** Whether the registry has a level that it does not show: it says NONE, and refuses a schema all the same. */
export function hidesLevel({ subjects }: Levels): boolean {
  return subjects.some(({ level }) => level === 'UNKNOWN');
}

/** Whether nothing is compared for a subject without a level of its own. */
export function acceptsAnything(levels: Levels): boolean {
  return levels.registry === 'NONE' && !hidesLevel(levels);
}

/** Subjects that take any schema. One without a version only inherits what the registry hides. */
export function subjectsAtNone(levels: Levels): readonly SubjectLevel[] {
  const hidden = hidesLevel(levels);
  return levels.subjects.filter(({ level, isOwn }) => level === 'NONE' && (isOwn || !hidden));
}

/** undefined where something is compared everywhere. */
export function levelAdvice(registry: Config['registry'], levels: Levels): Advice | undefined {
  const atNone = subjectsAtNone(levels);
  if (acceptsAnything(levels)) {
    const whose = atNone.length === 0 ? 'subjects without a level of their own' : few(atNone);
    return { explanation: explain(whose), remedy: `Set a level: ${putLevel(registry, '/config')}` };
  }
  const [first] = atNone;
  if (first === undefined) return undefined;
  const command = putLevel(registry, `/config/${encodeURIComponent(first.subject)}`);
  return {
    explanation: explain(few(atNone)),
    remedy: `Set a level ${atNone.length === 1 ? 'for it' : 'for each of them, as here for the first'}: ${command}`,
  };
}

export function notAskedAdvice({ code, message }: Pick<RelayError, 'code' | 'message'>): Advice {
  const first =
    code === 'REGISTRY_UNAUTHORIZED'
      ? 'Give the relay the right to read the compatibility levels of the registry'
      : 'Run the command again once the registry answers that';
  return {
    explanation: `the compatibility level could not be asked, and perhaps the registry accepts a schema that breaks every consumer: ${message}`,
    remedy: `${first}, or look there for yourself: GET <registry>/config.`,
  };
}

function explain(whose: string): string {
  return `the registry compares nothing for ${whose} (level NONE), and accepts a schema that breaks every consumer`;
}

/** As many names as a line holds. */
const namedMax = 5;

function few(subjects: readonly SubjectLevel[]): string {
  const names = subjects.slice(0, namedMax).map(({ subject }) => subject);
  const rest = subjects.length - names.length;
  return names.join(', ') + (rest > 0 ? ` and ${counted(rest, 'other subject')}` : '');
}

/** A command for a shell that sets the level, without a secret: what signs in is for a person to insert. */
export function putLevel(registry: Config['registry'], path: string): string {
  const url = new URL((registry.url ?? '').split(',')[0]!);
  const words = [
    "curl -X PUT -H 'Content-Type: application/json'",
    ...signIn(registry, url),
    ...Object.keys(registry.headers).map((name) => `-H ${quoted(`${name}: <value>`)}`),
    ...(registry.sslCaFile === undefined ? [] : [`--cacert ${quoted(registry.sslCaFile)}`]),
    ...(registry.sslCertFile === undefined ? [] : [`--cert ${quoted(registry.sslCertFile)}`]),
    ...(registry.sslKeyFile === undefined ? [] : [`--key ${quoted(registry.sslKeyFile)}`]),
    `-d '{"compatibility": "BACKWARD"}'`,
    quoted(`${url.origin}${url.pathname.replace(/\/+$/, '')}${path}`),
  ];
  return words.join(' ');
}

function signIn({ token, tokenFile, oauth, username }: Config['registry'], url: URL): string[] {
  if (token !== undefined || tokenFile !== undefined || oauth.tokenEndpoint !== undefined)
    return ["-H 'Authorization: Bearer <token>'"];
  return username === undefined && url.username === '' && url.password === ''
    ? []
    : ["--user '<user>:<password>'"];
}

/** Plain words stay as they are. */
const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
