/** What each kind of an audit means, in words. Pure. */

export type Kind = { readonly name: string; readonly means: string };

export const found: Readonly<Record<string, Kind>> = {
  missing: {
    name: 'Missing',
    means: 'the progress covers the row, but it is neither in Kafka nor a dead letter',
  },
  duplicate: { name: 'Duplicate', means: 'a second record of an event' },
  leaked: { name: 'Leaked', means: 'a record without a row' },
  outOfOrder: { name: 'Out of order', means: 'a record whose position is not above those before it' },
  undecodable: {
    name: 'Undecodable',
    means: 'a header is missing, the schema is unknown, or the bytes do not fit it',
  },
  different: { name: 'Different from its row', means: 'key, type, headers or value differ' },
  repeatedId: {
    name: 'Repeated id',
    means: 'several rows have one id; consumers that deduplicate by id drop all but one',
  },
  deadLetterPublished: {
    name: 'Dead letter, but published',
    means: 'nobody resubmitted it, and yet there is a record',
  },
};

export const unjudged: Readonly<Record<string, Kind>> = {
  notYetPublished: { name: 'Not yet published', means: 'the progress has not reached the snapshot' },
  missingOrRemoved: {
    name: 'Missing, or removed',
    means:
      'only in the table; a partition of its topic has lost its beginning, and its retention does not explain that: somebody removed the record, or it is missing',
  },
  newer: { name: 'Newer than the snapshot', means: 'written while the audit ran' },
  leakedOrNotShown: {
    name: 'Leaked, or not shown yet',
    means: 'only in Kafka, while transactions run that may show its row; one or the other',
  },
  leakedOrRemoved: {
    name: 'Leaked, or cleaned up',
    means: 'only in Kafka, and from before cleanup last removed rows; one or the other',
  },
  unknown: {
    name: 'Older than the table',
    means: 'only in Kafka, and older than the oldest row that is left, or than what cleanup removed',
  },
  expired: {
    name: 'Older than the topics',
    means: 'only in the table, and older than the oldest record that is left',
  },
  superseded: {
    name: 'Removed by compaction',
    means: 'the topic is compacted and holds a later event of the key',
  },
  compacted: { name: 'Perhaps removed by compaction', means: 'the topic is compacted' },
  before: { name: 'Before the first start', means: 'committed before a relay, or the audit, began' },
  undated: {
    name: 'Perhaps before the first start',
    means: 'nothing tells whether it was committed before a relay began',
  },
  foreign: { name: 'From other producers', means: 'not written by this relay' },
  removed: { name: 'Deleted during the audit', means: 'the row went before it could be compared' },
  rewritten: { name: 'Changed after they were published', means: 'the row is not what was published' },
  publishedSince: {
    name: 'Published since',
    means: 'no window could judge them before',
  },
  replayed: { name: 'Published again on purpose', means: 'a replay wrote the record' },
  released: { name: 'Released dead letters', means: 'their place in the order is that of the release' },
  withoutId: { name: 'Rows without an id', means: 'they can neither be published nor be found in Kafka' },
};

/** What an audit says as a whole, by its tone. */
export const proofWords = { good: 'proven', warn: 'not proven', bad: 'findings' } as const;

/** `out_of_order` as Postgres has it, too. */
export function kindOf(known: Readonly<Record<string, Kind>>, key: string): Kind {
  const camel = key.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
  return known[camel] ?? { name: key, means: '' };
}
