/**
 * What a patch that sets a constant writes over. Pure. Promise: a person who is about to give many events one value hears
 * that they hold different ones.
 */
import { count, counted } from '../../model/counted.ts';
import { jsonText, parseJsonAsWritten } from '../json-text.ts';
import { applyPatch, isTooDeep, parsePatch } from './json-patch.ts';
import { type CountedValue, type Present, ValueTally } from './value-there.ts';

/** An operation that sets a constant. */
export type SameValue = {
  /** Its index in the patch. */
  readonly operation: number;
  /** As in the patch. */
  readonly path: string;
  /** In which it sets the value. */
  readonly events: number;
  /** Of those: have nothing there now. */
  readonly withoutOne: number;
  /** Values that are there now, as far as they are told apart; null for a person who may not see values. */
  readonly different: number | null;
  readonly isMore: boolean;
  /** The most frequent; null as above. */
  readonly values: readonly CountedValue[] | null;
  /** What to say before it is done; null where it replaces one value, or none. */
  readonly warning: string | null;
};

type Counted = { readonly path: string; readonly tally: ValueTally; events: number; withoutOne: number };

export class SameValues {
  readonly #patch: string;
  readonly #present: Present | undefined;
  readonly #operations = new Map<number, Counted>();

  /**
   * @param present undefined for a person who may neither see values nor compare them
   * @throws PatchInvalid
   */
  constructor(patch: string, present: Present | undefined) {
    this.#patch = patch;
    this.#present = present;
    for (const [index, { op, path }] of parsePatch(patch).entries())
      if (op === 'add' || op === 'replace')
        this.#operations.set(index, { path, tally: new ValueTally(), events: 0, withoutOne: 0 });
  }

  /** Whether the patch sets a constant. */
  get isNeeded(): boolean {
    return this.#operations.size > 0;
  }

  /** Counts an event that the patch changes; one to which it does not apply is not counted. */
  look(payload: string | null, places: readonly string[]): void {
    if (!this.isNeeded) return;
    const found: { operation: number; text: string | undefined }[] = [];
    try {
      const document = parseJsonAsWritten(payload ?? 'null');
      if (isTooDeep(document)) return;
      applyPatch(document, this.#patch, places, (operation, before) =>
        found.push({ operation, text: before === undefined ? undefined : jsonText(before) }),
      );
    } catch {
      return;
    }
    for (const operation of new Set(found.map((each) => each.operation)))
      this.#add(
        this.#operations.get(operation)!,
        found.flatMap((each) => (each.operation === operation ? [each.text] : [])),
      );
  }

  #add(counted: Counted, texts: readonly (string | undefined)[]): void {
    counted.events++;
    if (texts.includes(undefined)) counted.withoutOne++;
    for (const text of texts) {
      const shown = text === undefined ? undefined : this.#present?.(text);
      if (shown != null) counted.tally.add(shown);
    }
  }

  /** In the order of the patch; without those that set it in no event. */
  get result(): SameValue[] {
    return [...this.#operations]
      .filter(([, { events }]) => events > 0)
      .map(([operation, { path, tally, events, withoutOne }]) => {
        const { different, isMore, top } = tally.result;
        const told = { operation, path, events, withoutOne };
        return this.#present === undefined
          ? { ...told, different: null, isMore: false, values: null, warning: unseen(told) }
          : { ...told, different, isMore, values: top, warning: warningOf({ ...told, different, isMore }) };
      });
  }
}

function unseen({ events, withoutOne }: Pick<SameValue, 'events' | 'withoutOne'>): string | null {
  if (events === withoutOne) return null;
  return `sets the same value in ${counted(events, 'event')}; whether they have different values there now is not shown to you`;
}

function warningOf(told: Pick<SameValue, 'events' | 'withoutOne' | 'isMore'> & { different: number }) {
  const { events, withoutOne, different, isMore } = told;
  if (different < 2 && (different === 0 || withoutOne === 0)) return null;
  const values =
    different === 1 ? 'one value' : `${isMore ? 'more than ' : ''}${count(different)} different values`;
  const none = withoutOne === 0 ? '' : `, or none (${count(withoutOne)})`;
  return `sets the same value in ${counted(events, 'event')} that have ${values} there now${none}`;
}
