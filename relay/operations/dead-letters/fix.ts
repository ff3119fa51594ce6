/**
 * Replaces the payload of an open dead letter with one that the relay would publish. The audit trail keeps the old one.
 */
import type { Config } from '../../config/config.ts';
import { createKafka } from '../../connect/kafka.ts';
import { query, statement } from '../../connect/postgres/statement.ts';
import { Encoder } from '../../encode/encoder.ts';
import { parseLosslessJson } from '../../encode/formats/json.ts';
import { isRefusal, isTopic, type Refusal, type TopicDirectory } from '../../encode/record.ts';
import { RegistryClient } from '../../encode/registry/registry-client.ts';
import { RelayError, RequestInvalid } from '../../errors.ts';
import { formatLsn, parsePosition } from '../../model/position.ts';
import { createLogger } from '../../observe/log.ts';
import { Topics } from '../../publish/topics.ts';
import type { Actor } from '../actor.ts';
import { jsonText } from '../json-text.ts';
import { withPool } from '../with-pool.ts';
import { applyPatch } from './json-patch.ts';
import { type Letter, parseLetterName } from './letter.ts';
import { byPosition, type LetterContent, listLetters, readContent } from './read.ts';
import { conditionOf, isBeingReleased } from './selection.ts';
import { assertLettersShown, inTransaction, takeTurn } from './transaction.ts';

/** An open dead letter as the person sees it. */
export type FixableLetter = { readonly letter: Letter; readonly content: LetterContent };

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
    const { rowBytes: _, payload: __, ...others } = letter.leftOut ?? {};
    const [column, bytes] = Object.entries(others)[0] ?? [];
    if (column !== undefined)
      throw new RequestInvalid(
        `its ${column} was left out (${bytes} bytes); discard it, and write the event again without that`,
      );
    const content = await readContent(pool, config.slot.name, letter);
    if (content === undefined) throw new RequestInvalid(`dead letter ${name} was removed`);
    return { letter, content };
  });
}

/** The payload to be edited. @throws RequestInvalid where it was left out of the dead letter */
export function payloadOf({ letter: { leftOut }, content }: FixableLetter): string | null {
  if (leftOut?.payload !== undefined)
    throw new RequestInvalid(
      `its payload was left out (${leftOut.payload} bytes); give a whole one with --payload`,
    );
  return content.payload;
}

/** The payload with a JSON patch applied. @throws RequestInvalid where the patch does not apply */
export function patchedPayload(fixable: FixableLetter, patch: string): string {
  const before = payloadOf(fixable);
  try {
    return jsonText(applyPatch(parseLosslessJson(before ?? 'null'), patch));
  } catch (error) {
    // Without the text, which may be quoted.
    if (error instanceof RelayError && error.code === 'PAYLOAD_NOT_JSON')
      throw new RequestInvalid(
        'the stored payload is not JSON, so no patch applies; give a whole one with --payload',
      );
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
export async function fixDeadLetter(fixing: Fixing): Promise<FixOutcome> {
  const { letter, content } = fixing.fixable;
  const { position } = letter;
  const notStored = (message: string, code: string | null = null, path: string | null = null) =>
    ({ position, stored: false, code, message, path }) as const;
  if (fixing.payload === (content.payload ?? '')) return notStored('the payload was not changed');
  const refusal = await judge(fixing.config, letter, { ...content, payload: fixing.payload });
  if (refusal !== undefined) return notStored(refusal.message, refusal.code, refusal.path);
  if (!(await store(fixing)))
    return notStored(
      'somebody else has closed or changed it, or its key is being released; look at it again',
    );
  return { position, stored: true, code: null, message: 'the relay would publish it', path: null };
}

type Verdict = Pick<Refusal, 'code' | 'message' | 'path'>;

/**
 * Encodes the event as the relay would, and drops the result.
 * @returns why the relay would refuse it; undefined if it would publish it
 */
async function judge(config: Config, letter: Letter, content: LetterContent): Promise<Verdict | undefined> {
  const kafka = createKafka(config, createLogger('fatal'));
  const admin = kafka.admin();
  try {
    // A check must not create a topic; the relay does, where it may.
    const existing = new Topics(kafka, admin, { ...config, topics: { ...config.topics, create: false } });
    const topics: TopicDirectory = {
      resolve: async (topic) => {
        const found = await existing.resolve(topic);
        const isToBeMade = !isTopic(found) && found.code === 'TOPIC_MISSING' && config.topics.create;
        return isToBeMade ? newTopic : found;
      },
    };
    const atOnce = { ...config, retry: { ...config.retry, unclearAttempts: 0 } };
    const encoder = new Encoder(atOnce, new RegistryClient(config.registry), topics);
    const { eventId, leftOut: _, ...row } = { ...letter, ...content };
    const position = parsePosition(letter.position)!;
    const event = { position, committedAtMs: Date.now(), row: { ...row, id: eventId } };
    return (await encoder.encode([event])).find(isRefusal);
  } finally {
    await admin.disconnect();
  }
}

/** Kafka's own default of max.message.bytes. */
const newTopic = { partitions: 1, maxMessageBytes: 1_048_588, keptMs: Number.POSITIVE_INFINITY };

/** @returns false when it is no longer as the person saw it: closed, being released, or changed by somebody else */
function store({ config, fixable: { letter, content }, payload, actor }: Fixing): Promise<boolean> {
  return inTransaction(config, async (client) => {
    await takeTurn(client, config.slot.name);
    const { text, values } = conditionOf(config.slot.name, { ...byPosition(letter), statuses: ['open'] });
    const found = await query(
      client,
      statement(
        'operations.find_letter_to_fix',
        'looking for the dead letter',
        `select from outbox.dead_letter as letter where ${text} and not ${isBeingReleased}`,
      ),
      values,
    );
    if (found.length === 0) return false;
    const { commitLsn, ordinal } = parsePosition(letter.position)!;
    const [row] = await query(
      client,
      statement<{ fixed: boolean }>(
        'operations.fix_letter',
        'storing the payload',
        'select outbox.fix_dead_letter($1, $2, $3, $4, $5, $6, $7) as fixed',
      ),
      [config.slot.name, formatLsn(commitLsn), ordinal, content.payload, payload, actor.person, actor.reason],
    );
    return row?.fixed === true;
  });
}
