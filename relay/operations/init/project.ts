/** What a new project is asked for, and what is right of the answers. Nothing here touches a disk. */
import { configOf } from '../../config/config.ts';
import type { ValueFormatName } from '../../config/value-format.ts';
import { messageOf, RequestInvalid } from '../../errors.ts';
import { rawCharacterFault } from './raw-character.ts';

export type Project = {
  readonly slot: string;
  readonly databaseUrl: string;
  readonly brokers: readonly string[];
  /** Of the values. With `json` there are no schemas, and no registry. */
  readonly format: ValueFormatName;
  readonly registryUrl: string;
  /** The `aggregatetype` of a first event, and folder of its schema. */
  readonly aggregate: string;
  /** Name of its record. */
  readonly event: string;
  /** Of the record. */
  readonly namespace: string;
};

const name = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Avro has these rules for names; a topic, a folder and SQL take them as they are. */
const rules: Readonly<Partial<Record<keyof Project, (value: string) => string | undefined>>> = {
  aggregate: (value) => (/^[a-z][a-z0-9_-]{0,62}$/.test(value) ? undefined : 'must be a word such as order'),
  event: (value) => (name.test(value) ? undefined : 'must be a name such as OrderPlaced'),
  namespace: (value) =>
    value.split('.').every((part) => name.test(part))
      ? undefined
      : 'must be names with dots between, such as shop.order',
};

/** What is wrong with an answer, in the words of the setting if it is one; undefined if nothing is. */
export function faultOf(key: keyof Project, answer: string | readonly string[]): string | undefined {
  const rule = rules[key];
  if (rule !== undefined) {
    const fault = rule(String(answer));
    return fault === undefined ? undefined : `${key} ${fault}, not ${shownAnswer(String(answer))}`;
  }
  if (key === 'databaseUrl' || key === 'registryUrl') {
    const each = key === 'registryUrl' ? String(answer).split(',') : [String(answer)];
    const raw = each.map(rawCharacterFault).find((fault) => fault !== undefined);
    if (raw !== undefined) return `${key} ${raw}`;
  }
  // A relay that runs keeps its address; a new project need not learn of it from a registry that refuses it.
  if (key === 'registryUrl' && String(answer).includes('?'))
    return `${key} has parameters, which the relay does not send: leave out what follows the ?; a key goes to registry.headers, user and password before the host`;
  // It would end the reference to the variable in which the file has it.
  if (key !== 'slot' && /[{}\s]/.test(String(answer)))
    return `${key} must have no space, and braces percent-encoded`;
  const { slot, databaseUrl, brokers, registryUrl }: typeof fine = { ...fine, [key]: answer };
  try {
    configOf({
      slot,
      database: { url: databaseUrl },
      kafka: { brokers: [...brokers] },
      registry: { url: registryUrl },
    });
    return undefined;
  } catch (error) {
    // The first line says how many there are.
    return messageOf(error).split('\n').slice(1).join(';').trim();
  }
}

/** Somebody may have given an address here, with its password. */
function shownAnswer(answer: string): string {
  if (answer.includes('://')) return 'a URL';
  return /[@:=]/.test(answer) ? 'an address' : JSON.stringify(answer);
}

/** Settings without a fault, for those that are not asked about. */
const fine = { slot: 'x', databaseUrl: 'postgres://x', brokers: ['x:9092'], registryUrl: 'http://x' };

/** All faults at once. @throws RequestInvalid */
export function assertProject(project: Project): void {
  const faults = (Object.keys(project) as (keyof Project)[])
    .map((key) => faultOf(key, project[key]))
    .filter((fault) => fault !== undefined);
  if (faults.length > 0) throw new RequestInvalid(faults.join('; '));
}

/** `order` and `line-item` as names of events: `OrderPlaced`. */
export function eventOf(aggregate: string): string {
  const words = aggregate.split(/[^A-Za-z0-9]+/).filter((word) => word !== '');
  return `${words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join('')}Placed`;
}
