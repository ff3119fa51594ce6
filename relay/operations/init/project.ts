/** What a new project is asked for, and what is right of the answers. Nothing here touches a disk. */
import { configOf } from '../../config/config.ts';
import type { ValueFormatName } from '../../config/value-format.ts';
import { RequestInvalid } from '../../errors.ts';

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

/** By key, what is wrong with a name. Avro has these rules for names; a topic, a folder and SQL take them as they are. */
const rules: readonly (readonly [keyof Project, (value: string) => boolean, string])[] = [
  ['aggregate', (value) => /^[a-z][a-z0-9_-]{0,62}$/.test(value), 'must be a word such as order'],
  ['event', (value) => name.test(value), 'must be a name such as OrderPlaced'],
  [
    'namespace',
    (value) => value.split('.').every((part) => name.test(part)),
    'must be names with dots between, such as shop.order',
  ],
];

/**
 * All faults at once, in the words of the settings.
 * @throws RequestInvalid for a name, RelayError CONFIG_INVALID for a setting
 */
export function assertProject(project: Project): void {
  const { slot, databaseUrl, brokers, registryUrl } = project;
  const faults = rules
    .filter(([key, isRight]) => !isRight(String(project[key])))
    .map(([key, , message]) => `${key} ${message}, not ${JSON.stringify(project[key])}`);
  if (faults.length > 0) throw new RequestInvalid(faults.join('; '));
  configOf({
    slot,
    database: { url: databaseUrl },
    kafka: { brokers: [...brokers] },
    registry: { url: registryUrl },
  });
  // It would end the reference to the variable in which the file has it.
  for (const [key, url] of Object.entries({ databaseUrl, registryUrl }))
    if (/[{}\s]/.test(url)) throw new RequestInvalid(`${key} must have braces and spaces percent-encoded`);
}

/** `order` and `line-item` as names of events: `OrderPlaced`. */
export function eventOf(aggregate: string): string {
  const words = aggregate.split(/[^A-Za-z0-9]+/).filter((word) => word !== '');
  return `${words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join('')}Placed`;
}
