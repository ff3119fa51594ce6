/**
 * Encodes rows of the outbox table with the relay's own encoder, as if the local schema files were registered. Finds
 * everything that the relay would refuse: payload, headers, topic, size.
 */
import type { OutboxRow } from '../../capture/transaction.ts';
import type { Config } from '../../config/config.ts';
import { type ValueFormatName, valueFormatByTopic } from '../../config/value-format.ts';
import { Encoder } from '../../encode/encoder.ts';
import { type EncodedEvent, isRefusal } from '../../encode/record.ts';
import { Router } from '../../encode/route.ts';
import type { ErrorCode } from '../../errors.ts';

/** Why an event would become a dead letter; never with a value of its payload. */
export type Failure = {
  readonly id: string | null;
  readonly code: ErrorCode;
  /** JSON path in the payload; null if the reason is not in the payload. */
  readonly path: string | null;
  /** What was expected and what was found. */
  readonly message: string;
};

export type TypeTrial = {
  readonly aggregatetype: string;
  readonly type: string;
  /** The file that its rows were tried with; null if there is none. */
  readonly file: string | null;
  /** `json`: the rows were tried without a file. In Avro, rows without a file are not tried. */
  readonly format: ValueFormatName;
  readonly rows: number;
  readonly passed: number;
  readonly failed: number;
  /** The first ones. */
  readonly failures: readonly Failure[];
};

type Tally = { -readonly [K in keyof TypeTrial]: TypeTrial[K] } & { failures: Failure[] };

type LocalSchema = {
  readonly file: string;
  readonly subject: string;
  readonly schemaText: string;
  /** Texts of the types it uses from other files. */
  readonly usedTexts: readonly string[];
};

/** Larger than any topic's limit: the files are tried here, not the cluster. publish.maxRecordBytes still applies. */
const anyTopic = { partitions: 1, maxMessageBytes: 2 ** 31 - 1, keptMs: Number.POSITIVE_INFINITY };

export class Trial {
  readonly #encoder: Encoder;
  readonly #router: Router;
  readonly #fileOf: ReadonlyMap<string, string>;
  readonly #failuresMax: number;
  readonly #formatOf: (topic: string) => ValueFormatName;
  readonly #types = new Map<string, Tally>();

  /** @param failuresMax how many failures of a type are kept */
  constructor(config: Config, files: readonly LocalSchema[], failuresMax: number) {
    const schemaOf = new Map(
      files.map(({ subject, schemaText, usedTexts }, index) => [
        subject,
        { id: index + 1, schemaText, references: usedTexts },
      ]),
    );
    this.#fileOf = new Map(files.map(({ subject, file }) => [subject, file]));
    this.#failuresMax = failuresMax;
    this.#formatOf = valueFormatByTopic(config.records);
    this.#router = new Router(config);
    // The file is used whatever version a row asks for.
    const localSchema = async (subject: string) => schemaOf.get(subject);
    this.#encoder = new Encoder(
      { ...config, retry: { ...config.retry, unclearAttempts: 0 } },
      { latest: localSchema, version: localSchema },
      { resolve: async () => anyTopic },
    );
  }

  /** Tries every row, even if some fail. */
  async add(rows: readonly OutboxRow[]): Promise<void> {
    const events = rows.map((row, ordinal) => ({
      position: { commitLsn: 0n, ordinal },
      committedAtMs: 0,
      row,
    }));
    const encoded = await this.#encoder.encode(events);
    for (const [index, row] of rows.entries()) this.#count(row, encoded[index]!);
  }

  /** By aggregatetype and type. */
  results(): TypeTrial[] {
    return [...this.#types.keys()].sort().map((key) => this.#types.get(key)!);
  }

  #count(row: OutboxRow, encoded: EncodedEvent): void {
    const tally = this.#tallyOf(row.aggregatetype ?? '', row.type ?? '');
    tally.rows++;
    if (!isRefusal(encoded)) tally.passed++;
    if (!isRefusal(encoded) || encoded.code === 'SCHEMA_MISSING') return;
    tally.failed++;
    if (tally.failures.length === this.#failuresMax) return;
    const { code, path, message } = encoded;
    tally.failures.push({ id: row.id, code, path, message });
  }

  #tallyOf(aggregatetype: string, type: string): Tally {
    const key = `${aggregatetype}\0${type}`;
    let tally = this.#types.get(key);
    if (tally === undefined) {
      const topic = this.#router.topic(aggregatetype, type);
      const format = topic === undefined ? 'avro' : this.#formatOf(topic);
      const file =
        topic === undefined || format === 'json'
          ? null
          : (this.#fileOf.get(this.#router.subject(topic, type)) ?? null);
      tally = { aggregatetype, type, file, format, rows: 0, passed: 0, failed: 0, failures: [] };
      this.#types.set(key, tally);
    }
    return tally;
  }
}
