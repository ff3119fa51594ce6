/**
 * Relays that are broken on purpose, each in one place, and the test that must notice. A mutant that survives means that
 * a promise is not tested.
 */
export type Mutant = {
  /** What is broken, as a sentence. */
  readonly name: string;
  readonly promise: 'no loss' | 'no double' | 'order' | 'no leak' | 'all or nothing' | 'no silence';
  readonly file: string;
  /** Stands exactly once in the file. */
  readonly find: string;
  readonly replace: string;
  readonly tests: readonly string[];
  /** Names of the tests within the files; all of them where it is left out. */
  readonly only?: string;
};

const exactlyOnce = 'test/relay/exactly-once.test.ts';
const path = 'test/relay/path.test.ts';
const lifecycle = 'test/relay/lifecycle.test.ts';
const lineage = 'test/relay/lineage.test.ts';
const progress = 'test/relay/progress.test.ts';
const filling = 'test/relay/filling.test.ts';

export const mutants: readonly Mutant[] = [
  {
    name: 'Postgres is told to forget before Kafka has committed',
    promise: 'no loss',
    file: 'relay/streaming.ts',
    find: '    await publisher.commit(batch, next);',
    replace: '    capture.acknowledge(next.endLsn);\n    await publisher.commit(batch, next);',
    tests: [lifecycle],
    only: 'hangs at',
  },
  {
    name: 'the progress found at the claim is not heeded',
    promise: 'no double',
    file: 'relay/streaming.ts',
    find: 'publishedEvents(this.#claimed, transaction.commitLsn) - transaction.firstOrdinal',
    replace: '0',
    tests: [exactlyOnce],
    only: 'lean that dies at KAFKA_COMMITTED',
  },
  {
    name: 'a transaction that begins at the end of the progress is skipped',
    promise: 'no loss',
    file: 'relay/progress.ts',
    find: 'if (commitLsn < progress.endLsn) return',
    replace: 'if (commitLsn <= progress.endLsn) return',
    tests: [progress],
  },
  {
    name: 'LSNs are compared as text',
    promise: 'no loss',
    file: 'relay/progress.ts',
    find: 'if (commitLsn < progress.endLsn) return',
    replace: 'if (commitLsn.toString() < progress.endLsn.toString()) return',
    tests: [progress],
  },
  {
    name: 'the ordinal of a split is ignored',
    promise: 'no double',
    file: 'relay/progress.ts',
    find: 'return progress.partial.ordinal;',
    replace: 'return 0;',
    tests: [path],
    only: 'splits a transaction',
  },
  {
    name: 'whole transactions before a part are not covered',
    promise: 'no double',
    file: 'relay/filling.ts',
    find: 'return { endLsn: lastEndLsn, partial',
    replace: 'return { endLsn: null, partial',
    tests: [filling, progress],
  },
  {
    name: 'what is passed over keeps its room',
    promise: 'no silence',
    file: 'relay/streaming.ts',
    find: '      this.#use.capture.inbox.release(transaction.bytes);\n      return;',
    replace: '      return;',
    tests: [path],
    only: 'splits a transaction',
  },
  {
    name: 'each producer has a transactional id of its own',
    promise: 'no double',
    file: 'relay/publish/lean/lean-publisher.ts',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is code
    find: '`${config.kafka.transactionalIdPrefix}.${config.slot}`',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is code
    replace: '`${config.kafka.transactionalIdPrefix}.${config.slot}.${Math.random()}`',
    tests: [exactlyOnce],
    only: 'lean that dies at EVENTS_SENT:2',
  },
  {
    name: 'the claim is not read back',
    promise: 'no double',
    file: 'relay/publish/lean/lean-publisher.ts',
    find: '    const progress = await seen;',
    replace:
      '    const progress = await Promise.race([seen, new Promise<null>((resolve) => setTimeout(resolve, 1, null))]);',
    tests: [exactlyOnce],
    only: 'lean that dies at KAFKA_COMMITTED',
  },
  {
    name: 'no dead letter is stored',
    promise: 'no loss',
    file: 'relay/streaming.ts',
    find: '    await storeDecisions(pool, session, filled.decisions);\n',
    replace: '',
    tests: [path],
    only: 'sets an event',
  },
  {
    name: 'dead letters are stored after the commit',
    promise: 'no loss',
    file: 'relay/streaming.ts',
    find: "    await storeDecisions(pool, session, filled.decisions);\n    await failpoint('DEAD_LETTERS_STORED');\n",
    replace:
      "    queueMicrotask(() => void setTimeout(() => void storeDecisions(pool, session, filled.decisions), 2_000));\n    await failpoint('DEAD_LETTERS_STORED');\n",
    tests: [path],
    only: 'sets an event',
  },
  {
    name: 'an outage of the registry is taken for bad data',
    promise: 'no loss',
    file: 'relay/encode/schemas.ts',
    find: '    if (entry === undefined) return this.refresh(subject, version, 0);',
    replace:
      "    if (entry === undefined)\n      return this.refresh(subject, version, 0).catch(() => ({ code: 'SCHEMA_MISSING', message: '', id: null }) as const);",
    tests: [lifecycle],
    only: 'of the registry',
  },
  {
    name: 'another database is taken for the one of the progress',
    promise: 'no silence',
    file: 'relay/relay.ts',
    find: 'const verdict = checkLineage(claimed, database);',
    replace: "const verdict = claimed === null ? 'first-start' : 'resume';\n    void checkLineage;",
    tests: [lineage],
    only: 'another cluster|advanced by hand',
  },
  {
    name: 'a changed publication is taken for the same one',
    promise: 'no silence',
    file: 'relay/capture/publication.ts',
    find: 'if (streamed === null || streamed === now) return;',
    replace: 'if (streamed === null || streamed !== "") return;',
    tests: [lineage],
    only: 'taken out of the publication',
  },
  {
    name: 'the rows of a batch are reversed',
    promise: 'order',
    file: 'relay/encode/encoder.ts',
    find: '    return { records, rejections };',
    replace: '    return { records: records.reverse(), rejections };',
    tests: [path],
    only: 'rising positions',
  },
  {
    name: 'a transaction is cut after three rows',
    promise: 'all or nothing',
    file: 'relay/capture/pgoutput.ts',
    find: '      open.rows.length >= this.#options.maxPartRows ||',
    replace: '      open.rows.length >= 3 ||',
    tests: [path],
    only: 'in one Kafka transaction',
  },
];
