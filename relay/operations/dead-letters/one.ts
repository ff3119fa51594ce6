/** One dead letter with all that a person needs to repair it: the schema of today, and what the relay would do now. */

import type pg from 'pg';
import type { Config } from '../../config/config.ts';
import { type ValueFormatName, valueFormatByTopic } from '../../config/value-format.ts';
import { HeadersInvalid, namedVersion } from '../../encode/headers.ts';
import { RegistryClient } from '../../encode/registry/registry-client.ts';
import { Router } from '../../encode/route.ts';
import { heldVersions } from '../../encode/targets.ts';
import { asRelayError, type ErrorCode, RelayError, RequestInvalid } from '../../errors.ts';
import { withResolvers } from '../../model/builtins.ts';
import { withPool } from '../with-pool.ts';
import { type Judged, type Verdict, withJudge } from './judge.ts';
import { unfixableReason } from './letter.ts';
import { isBeingReleasedNow } from './read.ts';
import { type ShownLetter, showDeadLetters } from './show.ts';
import { type Undoable, undoOf } from './undo.ts';

/** A version in the registry, as the relay would use it for the event now. */
export type LetterSchema = {
  readonly subject: string;
  readonly id: number;
  readonly version: number | null;
  /** `AVRO`, `JSON`, `PROTOBUF`, as the registry names it. */
  readonly schemaType: string;
  readonly text: string;
};

/** What a server knows: an answer, or why there is none now. */
export type Learned<Value> = { readonly value: Value } | { readonly failure: RelayError };

export type OneLetter = ShownLetter & {
  /** In which form the relay would publish it now; null where the event does not say to which topic it goes. */
  readonly format: ValueFormatName | null;
  /** null where the registry has none for the event, the event does not say which, or its topic holds JSON. */
  readonly schema: Learned<LetterSchema | null>;
  /** Why the relay would refuse the event now; undefined where it would publish it. */
  readonly verdict: Learned<Verdict>;
  readonly isBeingReleased: boolean;
  /** Why its payload cannot be changed; null where it can. */
  readonly fixedWhy: string | null;
  readonly undo: Undoable;
};

/**
 * Shown even where Kafka or the registry does not answer.
 * @throws RequestInvalid where there is none at the position; RelayError POSTGRES_*
 */
export function oneDeadLetter(config: Config, position: string): Promise<OneLetter> {
  return withPool(config, async (pool) => {
    const [letter] = await showDeadLetters(config, position);
    if (letter === undefined) throw new RequestInvalid(`no dead letter ${position}`);
    const { content, failure: _, actions: __, release: ___, ...row } = letter;
    const judged = { letter: row, content };
    const [schema, verdict, state] = await Promise.all([
      learn(() => schemaOf(config, judged), 'REGISTRY_UNAVAILABLE'),
      learn(async () => (await withJudge(config, (judge) => judge([judged])))[0], 'KAFKA_UNAVAILABLE'),
      stateOf(pool, config, letter),
    ]);
    return { ...letter, format: formatOf(config, row), schema, verdict, ...state };
  });
}

/** A person who looks at a dead letter waits no longer for a server that may be away. */
const patienceMs = 5_000;

/** @param code of the failure where there is no answer in time */
export async function learn<Value>(
  ask: () => Promise<Value>,
  code: ErrorCode,
  withinMs = patienceMs,
): Promise<Learned<Value>> {
  const { promise: late, reject } = withResolvers<never>();
  const timer = setTimeout(
    () => reject(new RelayError(code, `no answer within ${withinMs / 1_000} s`)),
    withinMs,
  );
  try {
    return { value: await Promise.race([ask(), late]) };
  } catch (error) {
    return { failure: asRelayError(error) };
  } finally {
    clearTimeout(timer);
  }
}

async function stateOf(
  pool: pg.Pool,
  config: Config,
  letter: ShownLetter,
): Promise<Pick<OneLetter, 'isBeingReleased' | 'fixedWhy' | 'undo'>> {
  const slot = config.slot.name;
  const isBeingReleased = await isBeingReleasedNow(pool, slot, letter);
  const undo = await undoOf(pool, slot, letter);
  const why =
    letter.status !== 'open'
      ? `it is ${letter.status}`
      : isBeingReleased
        ? 'its key is being released'
        : unfixableReason(letter);
  return { isBeingReleased, fixedWhy: why ?? null, undo };
}

function formatOf(config: Config, { aggregatetype, type }: Judged['letter']): ValueFormatName | null {
  const topic = aggregatetype === null ? undefined : new Router(config).topic(aggregatetype, type);
  return topic === undefined ? null : valueFormatByTopic(config.records)(topic);
}

/** The schema that the relay would encode the event with. */
async function schemaOf(config: Config, { letter, content }: Judged): Promise<LetterSchema | null> {
  const { aggregatetype, type } = letter;
  if (aggregatetype === null || !type || formatOf(config, letter) === 'json') return null;
  const router = new Router(config);
  const topic = router.topic(aggregatetype, type);
  if (topic === undefined) return null;
  const subject = router.subject(topic, type);
  const registry = new RegistryClient(config.registry);
  const version = versionOf(content.headers) ?? heldVersions(config.schemas.versions).get(subject);
  const found =
    version === undefined ? await registry.latest(subject) : await registry.version(subject, version);
  if (found === undefined) return null;
  const { id, schemaText, schemaType = 'AVRO', references } = found;
  // A schema that refers to others is looked up with them, by names that are not at hand.
  const named =
    version ??
    (references.length > 0
      ? undefined
      : await registry.find(subject, schemaText).then(
          (known) => known?.version,
          () => undefined,
        ));
  return { subject, id, version: named ?? null, schemaType, text: schemaText };
}

function versionOf(headers: string | null): number | undefined {
  try {
    return namedVersion(headers) ?? undefined;
  } catch (error) {
    if (error instanceof HeadersInvalid) return undefined;
    throw error;
  }
}
