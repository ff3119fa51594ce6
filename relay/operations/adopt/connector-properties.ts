/**
 * Compares the configuration of a connector with the settings of the relay, before anything is published. Pure. Promise: a
 * property with which the connector gives records what the relay would not give them is named, with what to do.
 */
import type { Config } from '../../config/config.ts';
import { asPlaced, type PlacedHeader } from './placed-headers.ts';

/** As Kafka Connect answers to GET /connectors/<name>/config. */
export type ConnectorProperties = Readonly<Record<string, string>>;

export type JudgedProperties = {
  /** Why the relay cannot go on in the place of the connector; empty if it can. */
  readonly faults: readonly string[];
  /** Headers with other columns of the row, which the column for headers must bring. */
  readonly ownHeaders: readonly PlacedHeader[];
};

type Settings = Pick<Config, 'outbox' | 'records' | 'topics'>;
type Left = { readonly slot: string; readonly publication: string };

const routerType = 'io.debezium.transforms.outbox.EventRouter';
const stringConverter = 'org.apache.kafka.connect.storage.StringConverter';
const jsonConverter = 'org.apache.kafka.connect.json.JsonConverter';
/** For what other plugins hold, nobody here has a reader. */
const readablePlugin = 'pgoutput';

export function judgeProperties(
  properties: ConnectorProperties,
  settings: Settings,
  left: Left,
): JudgedProperties {
  const names = listOf(properties.transforms);
  const isRouter = (name: string) => properties[`transforms.${name}.type`] === routerType;
  const router = names.find(isRouter);
  const faults = [...judgeSource(properties, settings, left), ...judgeConverters(properties, settings)];
  for (const name of names)
    if (!isRouter(name))
      faults.push(
        `transforms: ${name} (${properties[`transforms.${name}.type`] ?? 'without a type'}) changes records or leaves some out, and the relay has no transforms`,
      );
  if (router === undefined)
    return {
      faults: [...faults, `transforms: none is ${routerType}, so its records are no events of an outbox`],
      ownHeaders: [],
    };
  const option = (name: string): string | undefined => properties[`transforms.${router}.${name}`];
  const placed = judgePlacement(option('table.fields.additional.placement'), settings);
  return {
    faults: [...faults, ...judgeRouter(option, settings), ...placed.faults],
    ownHeaders: placed.ownHeaders,
  };
}

function judgeSource(properties: ConnectorProperties, { outbox }: Settings, left: Left): string[] {
  const faults: string[] = [];
  const { 'connector.class': connector = '' } = properties;
  if (!/(^|\.)Postgres(ql)?Connector$/i.test(connector))
    faults.push(`connector.class: ${connector || 'none'} is not the connector for Postgres`);
  // The default of Debezium is decoderbufs.
  const plugin = properties['plugin.name'] ?? 'decoderbufs';
  if (plugin !== readablePlugin)
    faults.push(
      `plugin.name: the slot is one of ${plugin}, and only ${readablePlugin} can be read. Let the connector publish everything first: see "A slot of decoderbufs" in docs/guides/coming-from-debezium.md`,
    );
  expectSame(faults, 'slot.name', properties['slot.name'] ?? 'debezium', left.slot, '--connector-slot');
  const publication = properties['publication.name'] ?? 'dbz_publication';
  expectSame(faults, 'publication.name', publication, left.publication, '--connector-publication');
  const tables = listOf(properties['table.include.list']);
  const others = tables.filter((table) => table.replaceAll('\\', '') !== outbox.table);
  if (others.length > 0)
    faults.push(
      `table.include.list: ${others.join(', ')} is not outbox.table, which is ${outbox.table}. The relay publishes one table`,
    );
  return faults;
}

/** Of a worker, converters are not in the configuration of the connector: the records tell. */
function judgeConverters(properties: ConnectorProperties, { records }: Settings): string[] {
  const faults: string[] = [];
  const { 'key.converter': key, 'value.converter': value } = properties;
  if (key !== undefined && key !== stringConverter)
    faults.push(
      `key.converter: ${key} does not write keys as plain text, as the relay does, so events of one aggregate may get to another partition. Read "Keys that are not plain text" in docs/guides/coming-from-debezium.md`,
    );
  if (value === jsonConverter && records.format === 'json') {
    const hasSchema = properties['value.converter.schemas.enable'] !== 'false';
    if (hasSchema)
      faults.push(
        'value.converter: JsonConverter with schemas.enable puts each payload into {"schema", "payload"}, and the relay writes the payload alone. Change the consumers first, then the connector',
      );
  }
  return faults;
}

function judgeRouter(option: (name: string) => string | undefined, { outbox, topics }: Settings): string[] {
  const faults: string[] = [];
  const { columns } = outbox;
  const key = option('table.field.event.key') ?? option('table.field.payload.id') ?? 'aggregateid';
  const mapped = [
    ['table.field.event.id', option('table.field.event.id') ?? 'id', 'id'],
    ['table.field.event.key', key, 'aggregateid'],
    ['table.field.event.type', option('table.field.event.type') ?? 'type', 'type'],
    [
      'table.field.event.payload',
      option('table.field.event.payload') ?? option('table.field.payload') ?? 'payload',
      'payload',
    ],
    ['route.by.field', option('route.by.field') ?? 'aggregatetype', 'aggregatetype'],
  ] as const;
  for (const [name, column, role] of mapped)
    expectSame(faults, name, column, columns[role], `outbox.columns.${role}`);
  const regex = option('route.topic.regex');
  if (regex !== undefined && regex !== '(?<routedByValue>.*)')
    faults.push(
      `route.topic.regex: ${regex} makes a part of the value the name of the topic, and topics.template takes the whole value. Write the name itself into the column first`,
    );
  // biome-ignore lint/suspicious/noTemplateCurlyInString: Debezium's own placeholder
  const placeholder = '${routedByValue}';
  const replacement = option('route.topic.replacement') ?? `outbox.event.${placeholder}`;
  const template = replacement.replaceAll(placeholder, '{aggregatetype}');
  if (template.includes('$'))
    faults.push(`route.topic.replacement: ${replacement} has a placeholder that topics.template has not`);
  else expectSame(faults, 'route.topic.replacement', template, topics.template, 'topics.template');
  if (option('route.tombstone.on.empty.payload') === 'true' && topics.tombstones.length === 0)
    faults.push(
      'route.tombstone.on.empty.payload: an event without a payload is a tombstone. Name its topics in topics.tombstones',
    );
  return faults;
}

function judgePlacement(placement: string | undefined, settings: Settings): JudgedProperties {
  const faults: string[] = [];
  const ownHeaders: PlacedHeader[] = [];
  const property = 'table.fields.additional.placement';
  for (const entry of listOf(placement)) {
    const [column = '', where = '', alias = column] = entry.split(':').map((part) => part.trim());
    switch (where.toLowerCase()) {
      case 'header': {
        const placed = asPlaced({ header: alias, column }, settings);
        if (placed.kind === 'own') ownHeaders.push({ header: alias, column });
        if (placed.kind === 'missing') faults.push(`${property}: ${entry}: ${placed.fix}`);
        break;
      }
      case 'envelope':
        faults.push(
          `${property}: ${entry} puts the column into the value, beside the payload, and the relay writes the payload alone. Have the writers put it into the payload, and the consumers read it there, before the move`,
        );
        break;
      case 'partition':
        faults.push(
          `${property}: ${entry} takes the partition from the column, and the relay takes it from the key, which keeps the order of each key. The events of one key would be in two partitions. Change the connector first, and let the consumers read what is there`,
        );
        break;
      default:
        faults.push(`${property}: ${entry} is placed nowhere that the relay knows`);
    }
  }
  return { faults, ownHeaders };
}

function expectSame(faults: string[], property: string, value: string, own: string, setting: string): void {
  if (value !== own) faults.push(`${property} is ${value}, and ${setting} is ${own}`);
}

const listOf = (text: string | undefined): string[] =>
  (text ?? '')
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
