/**
 * Replaces the payload of an open dead letter with one that the relay would publish. The audit trail keeps the old one.
 */
import type { Config } from '../../config/config.ts';
import { parseJsonAsWritten } from '../../encode/formats/json.ts';
import { RelayError, RequestInvalid } from '../../errors.ts';
import { counted } from '../../model/counted.ts';
import type { Actor } from '../actor.ts';
import { jsonText } from '../json-text.ts';
import { withPool } from '../with-pool.ts';
import { applyPatch, isTooDeep } from './json-patch.ts';
import { type Judged, type Verdict, withJudge } from './judge.ts';
import { parseLetterName, unfixableReason } from './letter.ts';
import { listLetters, readContent } from './read.ts';
import { conflictOf, storePayloads } from './store-fixes.ts';
import { assertLettersShown } from './transaction.ts';

/** An open dead letter as the person sees it. */
export type FixableLetter = Judged;

/**
 * @param name a position, or the id of an event
 * @throws RequestInvalid where there is none of that name, or several, or one that no payload can make whole;
 * RelayError POSTGRES_*
 */
export function findFixable(config: Config, name: string): Promise<FixableLetter> {
  return withPool(config, async (pool) => {
    const selection = { names: [parseLetterName(name)], statuses: ['open'] as const };
    const [letter, another] = await listLetters(pool, config.slot.name, selection, 2);
    await assertLettersShown(pool, config);
    if (letter === undefined)
      throw new RequestInvalid(`no open dead letter ${name} of slot ${config.slot.name}`);
    if (another !== undefined)
      throw new RequestInvalid(`event ${name} has several open dead letters; name one by its position`);
    const unfixable = unfixableReason(letter);
    if (unfixable !== undefined) throw new RequestInvalid(unfixable);
    const content = await readContent(pool, config.slot.name, letter);
    if (content === undefined) throw new RequestInvalid(`dead letter ${name} was removed`);
    return { letter, content };
  });
}

/** The payload to be edited. @throws RequestInvalid where it was left out of the dead letter */
export function payloadOf({ letter: { leftOut }, content }: FixableLetter): string | null {
  if (leftOut?.payload !== undefined)
    throw new RequestInvalid(
      `its payload was left out (${counted(leftOut.payload, 'byte')}); give a whole one`,
    );
  return content.payload;
}

/**
 * The payload with a JSON patch applied.
 * @param places at which the event is refused, for a patch with `*`
 * @throws RequestInvalid where the patch does not apply
 */
export function patchedPayload(
  fixable: FixableLetter,
  patch: string,
  places: readonly string[] = [],
): string {
  const before = payloadOf(fixable);
  try {
    const document = parseJsonAsWritten(before ?? 'null');
    if (isTooDeep(document))
      throw new RequestInvalid('the stored payload is nested too deeply for a patch; give a whole one');
    return jsonText(applyPatch(document, patch, places));
  } catch (error) {
    // Without the text, which may be quoted.
    if (error instanceof RelayError && error.code === 'PAYLOAD_NOT_JSON')
      throw new RequestInvalid('the stored payload is not JSON, so no patch applies; give a whole one');
    throw error;
  }
}

export type FixOutcome = {
  readonly position: string;
  readonly stored: boolean;
  /** Why the relay would refuse the event again; null where it would not. */
  readonly code: string | null;
  readonly message: string;
  /** Where in the payload. */
  readonly path: string | null;
  /** Whether somebody else was faster; `message` says who. */
  readonly isConflict: boolean;
};

export type Fixing = {
  readonly config: Config;
  readonly fixable: FixableLetter;
  readonly payload: string;
  readonly actor: Actor;
};

/**
 * Stores the payload if the relay would publish the event with it.
 * @throws RelayError POSTGRES_*, REGISTRY_*, KAFKA_* where that cannot be decided now
 */
export async function fixDeadLetter({ config, fixable, payload, actor }: Fixing): Promise<FixOutcome> {
  const { letter, content } = fixable;
  const { position } = letter;
  const notStored = { position, stored: false, code: null, path: null, isConflict: false } as const;
  if (payload === (content.payload ?? '')) return { ...notStored, message: 'the payload was not changed' };
  const [refusal] = await withJudge(config, (judge) => judge([withPayload(fixable, payload)]));
  if (refusal !== undefined) return { ...notStored, ...refusal };
  const stored = await storePayloads(config, [{ position, before: content.payload, after: payload }], actor);
  if (!stored.has(position)) {
    const message = await withPool(config, (pool) => conflictOf(pool, config.slot.name, position));
    return { ...notStored, isConflict: true, message };
  }
  return { ...notStored, stored: true, message: 'the relay would publish it' };
}

export type SeenFix = {
  readonly config: Config;
  readonly position: string;
  /** The payload as the person saw it. */
  readonly seen: string | null;
  readonly payload: string;
  readonly actor: Actor;
};

/**
 * The same for a person who saw the dead letter some time ago: the outcome is a conflict where it has changed since.
 * @throws RequestInvalid where there is none at the position, or no payload can make it whole; otherwise as `fixDeadLetter`
 */
export async function fixAsSeen({ config, position, seen, payload, actor }: SeenFix): Promise<FixOutcome> {
  const slot = config.slot.name;
  const found = await withPool(config, async (pool): Promise<Judged | FixOutcome> => {
    const [letter] = await listLetters(pool, slot, { names: [parseLetterName(position)] }, 1);
    await assertLettersShown(pool, config);
    if (letter === undefined) throw new RequestInvalid(`no dead letter ${position} of slot ${slot}`);
    const content = await readContent(pool, slot, letter);
    if (letter.status !== 'open' || content === undefined || content.payload !== seen) {
      const message = await conflictOf(pool, slot, position);
      return { position, stored: false, code: null, path: null, isConflict: true, message };
    }
    const unfixable = unfixableReason(letter);
    if (unfixable !== undefined) throw new RequestInvalid(unfixable);
    return { letter, content };
  });
  return 'stored' in found ? found : fixDeadLetter({ config, fixable: found, payload, actor });
}

/** The same event with a payload that takes the place of its own, or of one that was left out. */
export function withPayload({ letter, content }: Judged, payload: string): Judged {
  return { letter: { ...letter, leftOut: null }, content: { ...content, payload } };
}

/** What would come of a payload, without storing it. @throws as `fixDeadLetter` */
export async function tryPayload(
  config: Config,
  fixable: FixableLetter,
  payload: string,
): Promise<Verdict | undefined> {
  const [refusal] = await withJudge(config, (judge) => judge([withPayload(fixable, payload)]));
  return refusal;
}
