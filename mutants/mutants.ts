/**
 * Relays that are broken on purpose, each in one place, and the test that must notice. A mutant that survives means that
 * a promise is not tested.
 */
import type { Invariant } from '../simulate/violation.ts';

export type Mutant = {
  /** What is broken, as a sentence. */
  readonly name: string;
  readonly promise: 'no loss' | 'no double' | 'order' | 'no leak' | 'all or nothing' | 'no silence';
  /** Invariant that it must break, by the name it has in simulate/violation.ts. */
  readonly invariants: readonly Invariant[];
  readonly file: string;
  /** Stands exactly once in the file. */
  readonly find: string;
  readonly replace: string;
  /** `simulation`, `chaos`, or files of tests. */
  readonly tests: 'simulation' | 'chaos' | readonly string[];
  /** Names of the tests within the files, or of the faults of `chaos`; all of them where it is left out. */
  readonly only?: string;
};

const exactlyOnce = 'test/relay/exactly-once.test.ts';
const path = 'test/relay/path.test.ts';
const lifecycle = 'test/relay/lifecycle.test.ts';
const lineage = 'test/relay/lineage.test.ts';
const failover = 'test/relay/failover.test.ts';
const progress = 'test/relay/progress.test.ts';
const filling = 'test/relay/filling.test.ts';

export const mutants: readonly Mutant[] = [
  {
    name: 'Postgres is told to forget before Kafka has committed',
    promise: 'no loss',
    invariants: ['I1'],
    file: 'relay/streaming.ts',
    find: '    await publisher.commit(batch, next);',
    replace: '    capture.acknowledge(next.endLsn);\n    await publisher.commit(batch, next);',
    tests: [lifecycle],
    only: 'hangs at',
  },
  {
    name: 'Postgres is told to forget while the commit is under way',
    promise: 'no loss',
    invariants: ['I6'],
    file: 'relay/streaming.ts',
    find: '    await publisher.commit(batch, next);',
    replace: '    capture.acknowledge(next.endLsn);\n    await publisher.commit(batch, next);',
    tests: 'chaos',
    only: 'to all brokers: slow',
  },
  {
    name: 'the progress found at the claim is not heeded',
    promise: 'no double',
    invariants: ['I2'],
    file: 'relay/streaming.ts',
    find: 'publishedEvents(this.#claimed, transaction.commitLsn) - transaction.firstOrdinal',
    replace: '0',
    tests: [exactlyOnce],
    only: 'lean that dies at KAFKA_COMMITTED',
  },
  {
    name: 'a transaction that begins at the end of the progress is skipped',
    promise: 'no loss',
    invariants: ['I1'],
    file: 'relay/progress.ts',
    find: 'if (commitLsn < progress.endLsn) return',
    replace: 'if (commitLsn <= progress.endLsn) return',
    tests: [progress],
  },
  {
    name: 'LSNs are compared as text',
    promise: 'no loss',
    invariants: ['I1'],
    file: 'relay/progress.ts',
    find: 'if (commitLsn < progress.endLsn) return',
    replace: 'if (commitLsn.toString() < progress.endLsn.toString()) return',
    tests: [progress],
  },
  {
    name: 'the ordinal of a split is ignored',
    promise: 'no double',
    invariants: ['I2'],
    file: 'relay/progress.ts',
    find: 'return progress.partial.ordinal;',
    replace: 'return 0;',
    tests: [path],
    only: 'splits a transaction',
  },
  {
    name: 'whole transactions before a part are not covered',
    promise: 'no double',
    invariants: ['I2'],
    file: 'relay/filling.ts',
    find: 'return { endLsn: lastEndLsn, partial',
    replace: 'return { endLsn: null, partial',
    tests: [filling, progress],
  },
  {
    name: 'what is passed over keeps its room',
    promise: 'no silence',
    invariants: ['I8'],
    file: 'relay/streaming.ts',
    find: '      this.#use.capture.inbox.release(transaction.bytes);\n      return;',
    replace: '      return;',
    tests: [path],
    only: 'splits a transaction',
  },
  {
    name: 'each producer has a transactional id of its own',
    promise: 'no double',
    invariants: ['I2'],
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
    invariants: ['I2'],
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
    invariants: ['I1'],
    file: 'relay/streaming.ts',
    find: '    await storeDecisions(pool, session, filled.decisions);\n',
    replace: '',
    tests: [path],
    only: 'sets an event',
  },
  {
    name: 'dead letters are stored after the commit',
    promise: 'no loss',
    invariants: ['I1'],
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
    invariants: ['I1'],
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
    invariants: ['I8'],
    file: 'relay/relay.ts',
    find: 'const verdict = checkLineage(claimed, database);',
    replace: "const verdict = claimed === null ? 'first-start' : 'resume';\n    void checkLineage;",
    tests: [lineage],
    only: 'another cluster|advanced by hand',
  },
  {
    name: 'a restored database that was written to since is taken for the published one',
    promise: 'no loss',
    invariants: ['I1'],
    file: 'relay/streaming.ts',
    find: '    this.#history.assertTold(transaction);\n',
    replace: '    void this.#history;\n',
    tests: [failover],
    only: 'written to since',
  },
  {
    name: 'a changed publication is taken for the same one',
    promise: 'no silence',
    invariants: ['I8'],
    file: 'relay/capture/publication.ts',
    find: 'if (streamed === null || streamed === now) return;',
    replace: 'if (streamed === null || streamed !== "") return;',
    tests: [lineage],
    only: 'taken out of the publication',
  },
  {
    name: 'the rows of a batch are reversed',
    promise: 'order',
    invariants: ['I3'],
    file: 'relay/encode/encoder.ts',
    find: '    return { records, rejections };',
    replace: '    return { records: records.reverse(), rejections };',
    tests: [path],
    only: 'rising positions',
  },
  {
    name: 'a transaction is cut after three rows',
    promise: 'all or nothing',
    invariants: ['I4'],
    file: 'relay/capture/pgoutput.ts',
    find: '      open.rows.length >= this.#options.maxPartRows ||',
    replace: '      open.rows.length >= 3 ||',
    tests: [path],
    only: 'in one Kafka transaction',
  },
  {
    name: 'simulated: Postgres is told to forget before Kafka has committed',
    promise: 'no loss',
    invariants: ['I6'],
    file: 'relay/streaming.ts',
    find: '    await publisher.commit(batch, next);',
    replace: '    capture.acknowledge(next.endLsn);\n    await publisher.commit(batch, next);',
    tests: 'simulation',
  },
  {
    name: 'simulated: what a keepalive brings is acknowledged',
    promise: 'no loss',
    invariants: ['I6'],
    file: 'relay/capture/capture.ts',
    find: '    if (lsn > this.#serverLsn) this.#serverLsn = lsn;\n',
    replace: '    if (lsn > this.#serverLsn) this.#serverLsn = lsn;\n    this.acknowledge(lsn);\n',
    tests: 'simulation',
  },
  {
    name: 'simulated: a transaction that begins at the end of the progress is skipped',
    promise: 'no loss',
    invariants: ['I1'],
    file: 'relay/progress.ts',
    find: 'if (commitLsn < progress.endLsn) return',
    replace: 'if (commitLsn <= progress.endLsn) return',
    tests: 'simulation',
  },
  {
    name: 'simulated: LSNs are compared as text',
    promise: 'no loss',
    invariants: ['I1', 'I2', 'I8'],
    file: 'relay/progress.ts',
    find: 'if (commitLsn < progress.endLsn) return',
    replace: 'if (commitLsn.toString() < progress.endLsn.toString()) return',
    tests: 'simulation',
  },
  {
    name: 'simulated: the ordinal of a split is ignored',
    promise: 'no double',
    invariants: ['I2', 'I8'],
    file: 'relay/progress.ts',
    find: 'return progress.partial.ordinal;',
    replace: 'return 0;',
    tests: 'simulation',
  },
  {
    name: 'simulated: the progress lies outside the transaction of its events',
    promise: 'no loss',
    invariants: ['I1', 'I5'],
    file: 'relay/publish/lean/lean-publisher.ts',
    find: 'await this.#producer.commit([...parts, progress], places);',
    replace: 'await this.#producer.commit([progress]);\n    await this.#producer.commit(parts, places);',
    tests: 'simulation',
  },
  {
    name: 'simulated: a commit that was not answered is taken for done',
    promise: 'no loss',
    invariants: ['I1', 'I5', 'I6', 'I8'],
    file: 'relay/publish/lean/transactional-producer.ts',
    find: '      await this.#end(places);',
    replace: '      await this.#end(places).catch(() => {});',
    tests: 'simulation',
  },
  {
    name: 'simulated: no dead letter is stored',
    promise: 'no loss',
    invariants: ['I1'],
    file: 'relay/streaming.ts',
    find: '    await storeDecisions(pool, session, filled.decisions);\n',
    replace: '    void storeDecisions;\n    void pool;\n    void session;\n',
    tests: 'simulation',
  },
  {
    name: 'simulated: dead letters are stored after the commit',
    promise: 'no loss',
    invariants: ['I1'],
    file: 'relay/streaming.ts',
    find: '    await storeDecisions(pool, session, filled.decisions);\n',
    replace:
      '    setTimeout(() => void storeDecisions(pool, session, filled.decisions).catch(() => {}), 50);\n',
    tests: 'simulation',
  },
  {
    name: 'a session that was succeeded still stores dead letters',
    promise: 'no double',
    invariants: ['I9'],
    file: 'relay/settle/session.ts',
    find: 'if (own.length === 0) throw',
    replace: 'if (own.length === -1) throw',
    tests: ['test/relay/settle/session.test.ts'],
  },
  {
    name: 'simulated: a relay that lost the slot takes back the dead letters of its successor',
    promise: 'no loss',
    invariants: ['I1', 'I9'],
    file: 'relay/settle/session.ts',
    find: '    await assertHolder(client, progress.slot, walSenderPid);\n',
    replace: '    void assertHolder;\n    void walSenderPid;\n',
    tests: 'simulation',
  },
  {
    name: 'simulated: dead letters that are read again stay open',
    promise: 'no double',
    invariants: ['I9'],
    file: 'relay/settle/session.ts',
    find: '    const reread = await rereadDeadLetters(client, progress);',
    replace: '    const reread = 0;\n    void rereadDeadLetters;',
    tests: 'simulation',
  },
  {
    name: 'simulated: each producer has a transactional id of its own',
    promise: 'no double',
    invariants: ['I2', 'I5'],
    file: 'relay/publish/lean/lean-publisher.ts',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is code
    find: '`${config.kafka.transactionalIdPrefix}.${config.slot}`',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is code
    replace: '`${config.kafka.transactionalIdPrefix}.${config.slot}.${Math.random()}`',
    tests: 'simulation',
  },
  {
    name: 'simulated: the claim is not read back',
    promise: 'no double',
    invariants: ['I2', 'I5', 'I8'],
    file: 'relay/publish/lean/lean-publisher.ts',
    find: '    const progress = await seen;',
    replace:
      '    const progress = await Promise.race([seen, new Promise<null>((resolve) => setTimeout(resolve, 1, null))]);',
    tests: 'simulation',
  },
  {
    name: 'simulated: what is passed over keeps its room',
    promise: 'no silence',
    invariants: ['I8'],
    file: 'relay/streaming.ts',
    find: '      this.#use.capture.inbox.release(transaction.bytes);\n      return;',
    replace: '      return;',
    tests: 'simulation',
  },
  {
    name: 'simulated: the rows of a transaction are reversed',
    promise: 'order',
    invariants: ['I3'],
    file: 'relay/encode/encoder.ts',
    find: '    return { records, rejections };',
    replace: '    return { records: records.reverse(), rejections };',
    tests: 'simulation',
  },
  {
    name: 'simulated: a transaction is cut after three rows',
    promise: 'all or nothing',
    invariants: ['I4'],
    file: 'relay/capture/pgoutput.ts',
    find: '      open.rows.length >= this.#options.maxPartRows ||',
    replace: '      open.rows.length >= 3 ||',
    tests: 'simulation',
  },
  {
    name: 'simulated: the slot of a successor is compared with the progress of its predecessor',
    promise: 'no silence',
    invariants: ['I8'],
    file: 'relay/lineage.ts',
    find: '  if (state.activePid !== capture.walSenderPid)',
    replace: '  if (state.activePid === -1)',
    tests: 'simulation',
  },
  {
    name: 'simulated: a silent connection to Kafka is kept',
    promise: 'no silence',
    invariants: ['I8'],
    file: 'relay/publish/topics.ts',
    find: '      await this.#admin.disconnect().catch(() => {});\n',
    replace: '',
    tests: 'simulation',
  },
  {
    name: 'the branch of a union follows from the fields of the event',
    promise: 'no silence',
    invariants: ['I1'],
    file: 'relay/encode/event-type.ts',
    find: '  if (meant.length === 1) return meant[0]!.write;',
    replace: '  if (meant.length < 9) return writers.write;',
    tests: ['test/relay/encode/encoder.test.ts'],
    only: 'names the branch of a union',
  },
];
