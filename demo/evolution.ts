/**
 * The schema of cancelled orders changes in the middle of the run, as teams do it: the new version is checked and
 * registered, then the application that writes it is deployed; consumers do not change. One reads every event with the
 * old schema, one with the new one, both with @kafkajs/confluent-schema-registry. Then someone tries a change that
 * would break them.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import type { Config } from '../relay/config/config.ts';
import { RegistryClient } from '../relay/encode/registry/registry-client.ts';
import { RelayError } from '../relay/errors.ts';
import { checkSchema } from '../relay/operations/schemas/check.ts';
import { SubjectHistory } from '../relay/operations/schemas/subject-history.ts';
import type { Payload } from './payloads.ts';

export type Evolved = {
  /** Events received that were written with the new field. */
  readonly withNewField: number;
  /** Events read, of both versions: with the schema of before, and with the new one. */
  readonly readByOld: number;
  readonly readByNew: number;
  /** Events that one of the two could not read, or read as something else. */
  readonly unreadable: number;
  /** Of the change that would break consumers: whom, where and why; null where it was not tried. */
  readonly refused: string | null;
};

const type = 'shop.order.OrderCancelled';
const subject = `outbox.event.order-${type}`;
const file = path.join('order', 'OrderCancelled.avsc');

const added = { name: 'requestedBy', type: 'string', default: 'unknown' };
const newValue = 'customer';
const breaking = { name: 'refundCents', type: 'long' };

/** The relay looks for a newer schema at most once a second when it meets an event that its own refuses. */
const deployAfterMs = 1_500;

type RecordSchema = { readonly fields: readonly object[] };
type Cancelled = { readonly reason?: string; readonly requestedBy?: string };

export class Evolution {
  readonly #config: Config;
  readonly #client: RegistryClient;
  readonly #consumers: SchemaRegistry;
  readonly #note: (line: string) => void;
  #schemas: { readonly old: RecordSchema; readonly fresh: RecordSchema } | undefined;
  #isDeployed = false;
  #refused: string | null = null;
  #withNewField = 0;
  #readByOld = 0;
  #readByNew = 0;
  #unreadable = 0;

  constructor(config: Config, note: (line: string) => void) {
    this.#config = config;
    this.#note = note;
    this.#client = new RegistryClient(config.registry);
    this.#consumers = new SchemaRegistry({ host: config.registry.url! });
  }

  /** The result; undefined until the schema changes. */
  get result(): Evolved | undefined {
    if (this.#schemas === undefined) return undefined;
    return {
      withNewField: this.#withNewField,
      readByOld: this.#readByOld,
      readByNew: this.#readByNew,
      unreadable: this.#unreadable,
      refused: this.#refused,
    };
  }

  /** Changes the schema. @throws when the registry accepts the breaking change, or refuses the valid one */
  async play(signal: AbortSignal): Promise<void> {
    const old = JSON.parse(await readFile(path.join(this.#config.schemas.directory, file), 'utf8'));
    await this.#demandCompatibility();
    const fresh = { ...old, fields: [...old.fields, added] };
    await this.#client.register(subject, JSON.stringify(fresh));
    this.#schemas = { old, fresh };
    this.#note(`${type}: registered a new version with the field ${added.name}, which has a default`);
    await this.#tryToBreak({ ...fresh, fields: [...fresh.fields, breaking] });
    await sleep(deployAfterMs, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
    this.#isDeployed = true;
    this.#note('the order service now writes the new field; the consumers do not change');
  }

  /** What the deployed application writes: with the new field once it is deployed. */
  written(payload: Payload): Payload {
    if (!this.#isDeployed || payload.type !== type || payload.fate !== 'publish') return payload;
    return { ...payload, json: payload.json!.replace(/\}$/, `,"${added.name}":"${newValue}"}`) };
  }

  /** One event as the two consumers read it. */
  async read(eventType: string, value: Buffer | null): Promise<void> {
    if (this.#schemas === undefined || eventType !== type || value === null) return;
    try {
      const old = await this.#decode(value, this.#schemas.old);
      this.#readByOld += 1;
      const fresh = await this.#decode(value, this.#schemas.fresh);
      this.#readByNew += 1;
      const isSame = old.reason === fresh.reason && !(added.name in old);
      if (fresh.requestedBy === newValue) this.#withNewField += 1;
      else if (fresh.requestedBy !== added.default) this.#unreadable += 1;
      if (!isSame) this.#unreadable += 1;
    } catch {
      this.#unreadable += 1;
    }
  }

  async #decode(value: Buffer, schema: RecordSchema): Promise<Cancelled> {
    const readerSchema = schema as never; // the library's type knows only schemas with literal types
    return await this.#consumers.decode(value, { [SchemaType.AVRO]: { readerSchema } });
  }

  async #demandCompatibility(): Promise<void> {
    const response = await fetch(`${this.#config.registry.url}/config/${subject}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
      body: JSON.stringify({ compatibility: 'FULL' }),
    });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`the registry does not take a compatibility level: ${response.status}`);
  }

  /** As `outbox-relay schemas check` explains it, and as the registry refuses it. */
  async #tryToBreak(schema: RecordSchema): Promise<void> {
    const schemaText = JSON.stringify(schema);
    const history = new SubjectHistory(this.#config.registry);
    const { findings } = await checkSchema(
      history,
      { file, subject, schemaText, usedTexts: [] },
      [],
      undefined,
    );
    const answer = await this.#client.register(subject, schemaText).catch((error: unknown) => error);
    if (!(answer instanceof RelayError && answer.code === 'SCHEMA_INCOMPATIBLE'))
      throw new Error('the registry accepted a schema that breaks its consumers', { cause: answer });
    const [finding] = findings;
    this.#refused = finding === undefined ? answer.message : `${finding.path}: ${finding.explanation}`;
    this.#note(`refused: ${this.#refused}`);
    if (finding !== undefined) this.#note(`  instead: ${finding.remedy}`);
  }
}
