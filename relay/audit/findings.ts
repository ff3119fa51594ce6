/** What an audit reports: the kinds of findings, and what it cannot judge. */

/** How many were found, and the first of them. */
export type Listed<T> = { count: number; readonly first: T[] };

export type RecordPlace = {
  readonly id: string | null;
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
};
export type UndecodableRecord = RecordPlace & { readonly reason: string };
export type OutOfOrderRecord = RecordPlace & { readonly position: string; readonly after: string };
export type DifferentRecord = RecordPlace & {
  readonly position: string | null;
  /** Place of the first difference: `key`, `header type`, `headers`, or a JSON path within the payload. */
  readonly path: string;
  readonly reason: string;
};

export type Findings = {
  readonly missing: Listed<string>;
  readonly duplicate: Listed<string>;
  readonly leaked: Listed<string>;
  readonly outOfOrder: Listed<OutOfOrderRecord>;
  readonly undecodable: Listed<UndecodableRecord>;
  /** The key, type, headers or value differ from the row. */
  readonly different: Listed<DifferentRecord>;
  /** Several rows with one id: a consumer that deduplicates by id drops all but one. */
  readonly repeatedId: Listed<string>;
  /** A dead letter that nobody resubmitted, but a record exists. */
  readonly deadLetterPublished: Listed<string>;
};

/** Not findings: what cannot be judged; see `compare.ts`. */
export type Unjudged = {
  readonly notYetPublished: Listed<string>;
  /** Only in the table; its topic has lost its beginning, and its settings do not explain that. They keep the audit from success. */
  readonly missingOrRemoved: Listed<string>;
  readonly newer: Listed<string>;
  /**
   * Records without a row, while transactions run that may show it. They keep the audit from success.
   */
  readonly leakedOrNotShown: Listed<string>;
  /** Records without a row from before cleanup last removed rows: one or the other. They keep the audit from success. */
  readonly leakedOrRemoved: Listed<string>;
  readonly unknown: Listed<string>;
  readonly expired: Listed<string>;
  readonly superseded: Listed<string>;
  readonly before: Listed<string>;
  /** Whether they were committed before the first start is not known. */
  readonly undated: Listed<string>;
  /** Records of other producers. */
  readonly foreign: Listed<RecordPlace>;
  /** Published events whose rows were removed before they could be compared. */
  readonly removed: Listed<string>;
};

export function list<T>(): Listed<T> {
  return { count: 0, first: [] };
}

/** Counts an item, and keeps it while there are fewer than `most`. */
export function note<T>(listed: Listed<T>, most: number, item: () => T): void {
  listed.count += 1;
  if (listed.first.length < most) listed.first.push(item());
}
