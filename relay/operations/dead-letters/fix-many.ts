/**
 * One JSON patch for many dead letters, and a trial of many without publishing. Promise: a payload is stored only if the
 * relay would publish the event with it, and only in place of the payload that was judged.
 *
 * Works page by page, each stored in one Postgres transaction with its trail: what was stored stays, whatever ends the run.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type pg from 'pg';
import type { Config } from '../../config/config.ts';
import { parseJsonAsWritten } from '../../encode/formats/json.ts';
import { RequestInvalid } from '../../errors.ts';
import type { Actor } from '../actor.ts';
import { jsonText } from '../json-text.ts';
import { withPool } from '../with-pool.ts';
import { patchedPayload, withPayload } from './fix.ts';
import { isPlaced, parsePatch } from './json-patch.ts';
import { type Judge, type Judged, withJudge } from './judge.ts';
import { unfixableReason } from './letter.ts';
import { countLetters } from './read.ts';
import { glanceAtMany, pagesWithContents } from './read-contents.ts';
import { type Reason, type RefusedGroup, RefusedGroups } from './refused-groups.ts';
import { type SameValue, SameValues } from './same-values.ts';
import type { Selection } from './selection.ts';
import { storePayloads } from './store-fixes.ts';
import { assertLettersShown } from './transaction.ts';
import { type FixRun, latestAction } from './undo-many.ts';
import type { Present } from './value-there.ts';

export type LongRun = {
  readonly config: Config;
  /** Of open ones, unless it says otherwise. */
  readonly selection: Selection;
  readonly onProgress?: (done: number, of: number) => void;
  /** Ends the run after the page that is under way; the result then says that it is not complete. */
  readonly signal?: AbortSignal;
};

/** What the patch makes of one dead letter. */
type Decision =
  | { readonly kind: 'publishable'; readonly before: string | null; readonly after: string }
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'refused'; readonly after: string | null; readonly reason: Reason };

/** `places`: at which the event is refused now, as far as a patch with `*` asks. */
type Decided = Judged & { readonly places: string[]; decision: Decision };

/** Elements of one event that a patch with `*` changes, one after the other: each is known once the one before is right. */
const placesMax = 100;

/** @throws RelayError REGISTRY_*, KAFKA_* where it cannot be decided now */
async function decide(judged: readonly Judged[], patch: string, judge: Judge): Promise<Decided[]> {
  const asTheyAre = isPlaced(patch) ? await judge(judged) : undefined;
  const decided = judged.map((each, index) => {
    const places = placesOf(asTheyAre?.[index]);
    const isRight = asTheyAre !== undefined && asTheyAre[index] === undefined;
    return { ...each, places, decision: isRight ? unchanged : patched(each, patch, places) };
  });
  let changed = decided;
  for (let round = 0; round < (asTheyAre === undefined ? 1 : placesMax); round++) {
    changed = changed.filter(({ decision }) => decision.kind === 'publishable');
    if (changed.length === 0) break;
    const verdicts = await judge(
      changed.map((each) => withPayload(each, (each.decision as { after: string }).after)),
    );
    const refused = changed.flatMap((each, index) => {
      const reason = verdicts[index];
      return reason === undefined ? [] : [{ each, reason }];
    });
    for (const { each, reason } of refused) each.decision = refusedAgain(each, reason, patch);
    changed = refused.map(({ each }) => each);
  }
  // Nothing is stored that was not judged.
  for (const each of changed)
    if (each.decision.kind === 'publishable') each.decision = tooManyPlaces(each.decision.after);
  return decided;
}

/**
 * The payload of one with the patch, also with one that has `*`.
 * @throws RequestInvalid where the patch does not apply; RelayError REGISTRY_*, KAFKA_* where the element that `*` stands
 * for cannot be found now
 */
export async function patchedByItself(config: Config, fixable: Judged, patch: string): Promise<string> {
  if (!isPlaced(patch)) return patchedPayload(fixable, patch);
  const [decided] = await withJudge(config, (judge) => decide([fixable], patch, judge));
  const { decision } = decided!;
  if (decision.kind === 'unchanged') return fixable.content.payload ?? '';
  if (decision.after === null) throw new RequestInvalid((decision as { reason: Reason }).reason.message);
  return decision.after;
}

const unchanged = { kind: 'unchanged' } as const;

const tooManyPlaces = (after: string): Decision => ({
  kind: 'refused',
  after,
  reason: { code: null, message: `more than ${placesMax} elements are refused`, path: null },
});

const placesOf = (reason: Pick<Reason, 'path'> | undefined): string[] =>
  reason?.path == null ? [] : [reason.path];

/** Perhaps for another element that is wrong too, at which the patch is then done as well. */
function refusedAgain(each: Decided, reason: Reason, patch: string): Decision {
  const { after } = each.decision as { after: string };
  const [place] = placesOf(reason);
  if (isPlaced(patch) && place !== undefined && !each.places.includes(place)) {
    each.places.push(place);
    const next = patched(each, patch, each.places);
    if (next.kind === 'publishable' && next.after !== after) return next;
  }
  return { kind: 'refused', after, reason };
}

/** Before it is judged. */
function patched(judged: Judged, patch: string, places: readonly string[]): Decision {
  const before = judged.content.payload;
  const refused = (message: string) =>
    ({ kind: 'refused', after: null, reason: { code: null, message, path: null } }) as const;
  const unfixable = unfixableReason(judged.letter);
  if (unfixable !== undefined) return refused(unfixable);
  try {
    const after = patchedPayload(judged, patch, places);
    return after === jsonText(parseJsonAsWritten(before ?? 'null'))
      ? unchanged
      : { kind: 'publishable', before, after };
  } catch (error) {
    if (error instanceof RequestInvalid) return refused(error.message);
    throw error;
  }
}

/** How many would be published as they are, or with the patch. */
/** Who hears of values: how they are shown; null where they may not even be compared. */
type SeenBy = { readonly present?: Present | null };
const presentOf = ({ present = (text) => text }: SeenBy): Present | undefined => present ?? undefined;

export type Trial = {
  readonly tried: number;
  readonly wouldPublish: number;
  /** Largest first. */
  readonly refused: readonly RefusedGroup[];
  /** Constants that the patch sets, in those that would be published with it. */
  readonly sameValues: readonly SameValue[];
  /** False where it was ended before: the numbers are those of the first ones. */
  readonly isComplete: boolean;
};

/**
 * Encodes each event as the relay would now, and drops the result. Publishes and changes nothing.
 * @throws RequestInvalid where the patch cannot be read; RelayError POSTGRES_*, REGISTRY_*, KAFKA_*
 */
export async function tryDeadLetters(run: LongRun & { readonly patch?: string } & SeenBy): Promise<Trial> {
  const { patch } = run;
  const sameValues = new SameValues(patch ?? '[]', presentOf(run));
  const refused = new RefusedGroups();
  let wouldPublish = 0;
  const { done, isComplete } = await eachPage(run, async (page, judge) => {
    const asTheyAre = patch === undefined ? page : [];
    const decided = patch === undefined ? [] : await decide(page, patch, judge);
    for (const { decision, places, ...judged } of decided) {
      if (decision.kind === 'publishable') {
        wouldPublish++;
        sameValues.look(judged.content.payload, places);
      } else if (decision.kind === 'refused') refused.add(decision.reason);
      else asTheyAre.push(judged);
    }
    for (const verdict of await judge(asTheyAre)) {
      if (verdict === undefined) wouldPublish++;
      else refused.add(verdict);
    }
  });
  return { tried: done, wouldPublish, refused: refused.list, sameValues: sameValues.result, isComplete };
}

export type ManyFixed = {
  readonly seen: number;
  readonly fixed: number;
  /** The patch changes nothing in them. */
  readonly unchanged: number;
  /** Closed, changed or being released by somebody else while they were judged; or a release of their key is under way. */
  readonly conflicts: number;
  /** Not stored, because the relay would refuse them again or the patch does not apply; largest first. */
  readonly refused: readonly RefusedGroup[];
  /** False where it was ended before: the numbers are those of the first ones. */
  readonly isComplete: boolean;
  /** By which `undoRun` puts back what it replaced. */
  readonly run: FixRun;
};

/**
 * Applies the patch to each open dead letter of the selection, and stores those that the relay would publish.
 * @throws RequestInvalid where the patch cannot be read; RelayError POSTGRES_*, REGISTRY_*, KAFKA_*: what was stored
 * before stays
 */
export async function fixDeadLetters(
  run: LongRun & { readonly patch: string; readonly actor: Actor },
): Promise<ManyFixed> {
  const { config, patch, actor } = run;
  const refused = new RefusedGroups();
  const count = { fixed: 0, unchanged: 0, conflicts: 0 };
  const open = { ...run, selection: { ...run.selection, statuses: ['open'] as const } };
  const from = await withPool(config, latestAction);
  const { done, isComplete } = await eachPage(open, async (page, judge) => {
    const replacements = [];
    for (const { letter, decision } of await decide(page, patch, judge)) {
      if (decision.kind === 'publishable') replacements.push({ position: letter.position, ...decision });
      else if (decision.kind === 'refused') refused.add(decision.reason);
      else count.unchanged++;
    }
    if (replacements.length === 0) return;
    const stored = await storePayloads(config, replacements, actor);
    count.fixed += stored.size;
    count.conflicts += replacements.length - stored.size;
  });
  const to = await withPool(config, latestAction);
  const fixes = { ...actor, from, to };
  return { seen: done, ...count, refused: refused.list, isComplete, run: fixes };
}

export type Previewed = {
  readonly position: string;
  readonly eventId: string | null;
  readonly key: string | null;
  readonly before: string | null;
  /** null where the patch does not apply. */
  readonly after: string | null;
  readonly outcome: Decision['kind'];
  /** Why it would not be stored; null where it would, or is unchanged. */
  readonly reason: Reason | null;
};

export type Preview = {
  /** Open dead letters of the selection. */
  readonly total: number;
  /** The first of them: as many as were asked for and fit. */
  readonly shown: readonly Previewed[];
  /** Constants that the patch sets, in all of the selection, or in as many of the oldest as are read at once. */
  readonly sameValue: {
    /** Payloads that were read: of 0, where the patch sets none. */
    readonly read: number;
    readonly total: number;
    readonly operations: readonly SameValue[];
  };
};

/** Of payloads before, which bounds what is shown. */
const previewBytesMax = 2 * 1024 * 1024;

/**
 * What the patch would make of the first ones. Changes nothing.
 * @throws as `tryDeadLetters`
 */
export async function previewFix(
  run: Pick<LongRun, 'config' | 'selection'> & { readonly patch: string; readonly limit: number } & SeenBy,
): Promise<Preview> {
  const { config, patch, limit } = run;
  parsePatch(patch);
  const selection = { ...run.selection, statuses: ['open'] as const };
  return withPool(config, async (pool) => {
    const slot = config.slot.name;
    const total = await countLetters(pool, slot, selection);
    const some = await firstOf(pool, slot, selection, limit);
    const sameValues = new SameValues(patch, presentOf(run));
    const read = sameValues.isNeeded ? await lookAtAll(pool, slot, selection, { patch, sameValues }) : 0;
    await assertLettersShown(pool, config);
    const decided = await withJudge(config, (judge) => decide(some, patch, judge));
    const sameValue = { read, total: Math.max(total, read), operations: sameValues.result };
    return { total, shown: decided.map(toPreviewed), sameValue };
  });
}

/** Without judging them, which takes longer than a person waits: at the places of their last refusal. */
async function lookAtAll(
  pool: pg.Pool,
  slot: string,
  selection: Selection,
  { patch, sameValues }: { readonly patch: string; readonly sameValues: SameValues },
): Promise<number> {
  const hasPlaces = isPlaced(patch);
  const letters = await glanceAtMany(pool, slot, selection);
  let read = 0;
  for (const [index, { letter, payload, isUnread }] of letters.entries()) {
    if (index % 500 === 499) await nextTurn();
    if (isUnread) continue;
    read++;
    // What was fixed would be published, so that `*` stands for none of its elements.
    const isLeft = (hasPlaces && letter.fixedAt !== null) || unfixableReason(letter) !== undefined;
    if (!isLeft && letter.leftOut?.payload === undefined) sameValues.look(payload, placesOf(letter));
  }
  return read;
}

async function firstOf(pool: pg.Pool, slot: string, selection: Selection, limit: number): Promise<Judged[]> {
  const some: Judged[] = [];
  let bytes = 0;
  for await (const page of pagesWithContents(pool, slot, selection, limit))
    for (const each of page) {
      bytes += each.content.payload?.length ?? 0;
      if (some.length > 0 && bytes > previewBytesMax) return some;
      if (some.push(each) === limit) return some;
    }
  return some;
}

function toPreviewed({ letter, content, decision }: Decided): Previewed {
  const { position, eventId, aggregateid } = letter;
  return {
    position,
    eventId,
    key: aggregateid,
    before: content.payload,
    after: decision.kind === 'unchanged' ? content.payload : decision.after,
    outcome: decision.kind,
    reason: decision.kind === 'refused' ? decision.reason : null,
  };
}

/** @returns how many the pages had, and whether these were all */
function eachPage(
  { config, selection, onProgress, signal, patch }: LongRun & { readonly patch?: string },
  work: (page: Judged[], judge: Judge) => Promise<void>,
): Promise<{ readonly done: number; readonly isComplete: boolean }> {
  if (patch !== undefined) parsePatch(patch);
  return withPool(config, async (pool) => {
    const slot = config.slot.name;
    const wanted: Selection = { statuses: ['open'], ...selection };
    const total = await countLetters(pool, slot, wanted);
    await assertLettersShown(pool, config);
    let done = 0;
    onProgress?.(done, total);
    return withJudge(config, async (judge) => {
      for await (const page of pagesWithContents(pool, slot, wanted)) {
        if (signal?.aborted === true) return { done, isComplete: false };
        await work(page, judge);
        done += page.length;
        // More may have come meanwhile.
        onProgress?.(done, Math.max(done, total));
      }
      await assertLettersShown(pool, config);
      return { done, isComplete: true };
    });
  });
}
