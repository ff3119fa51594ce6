import { expect, test } from 'vitest';
import { loadConfig } from '../../../../relay/config/config.ts';
import { judgeProperties } from '../../../../relay/operations/adopt/connector-properties.ts';

/** As a connector has them that does what the relay does. */
const router = 'transforms.outbox.';
const properties = {
  'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
  'plugin.name': 'pgoutput',
  'slot.name': 'orders',
  'publication.name': 'orders_publication',
  'table.include.list': 'outbox\\.event',
  transforms: 'outbox',
  [`${router}type`]: 'io.debezium.transforms.outbox.EventRouter',
  [`${router}table.fields.additional.placement`]: 'type:header,aggregatetype:header:about, tenant:header',
};
const left = { slot: 'orders', publication: 'orders_publication' };

const settings = (more: Record<string, string> = {}) =>
  loadConfig({
    env: {
      DATABASE_URL: 'postgres://relay@db/shop',
      KAFKA_BROKERS: 'kafka:9092',
      SCHEMA_REGISTRY_URL: 'http://registry',
      OUTBOX_RELAY_RECORDS_HEADERS: 'type=type,about=aggregatetype',
      ...more,
    },
  }).config;

const judge = (change: Record<string, string | undefined>, config = settings()) => {
  const all = Object.entries({ ...properties, ...change }).filter(([, value]) => value !== undefined);
  return judgeProperties(Object.fromEntries(all) as Record<string, string>, config, left);
};

test('a connector whose records the relay writes alike has no fault, and headers of other columns are for the rows', () => {
  expect(judge({})).toEqual({ faults: [], ownHeaders: [{ header: 'tenant', column: 'tenant' }] });
});

test.each<[what: string, Record<string, string | undefined>, fault: RegExp]>([
  [
    'another database',
    { 'connector.class': 'io.debezium.connector.mysql.MySqlConnector' },
    /connector\.class/,
  ],
  ['the plugin decoderbufs', { 'plugin.name': 'decoderbufs' }, /a slot|slot is one of decoderbufs/],
  ['no plugin, which is decoderbufs', { 'plugin.name': undefined }, /one of decoderbufs/],
  ['another slot', { 'slot.name': undefined }, /slot\.name is debezium, and --connector-slot is orders/],
  ['another publication', { 'publication.name': 'dbz' }, /publication\.name is dbz/],
  [
    'another table',
    { 'table.include.list': 'outbox.event,public.orders' },
    /public\.orders is not outbox\.table/,
  ],
  ['no router', { transforms: undefined }, /none is io\.debezium\.transforms\.outbox/],
  [
    'a transform beside the router',
    { transforms: 'outbox,cut', 'transforms.cut.type': 'a.Cut' },
    /cut \(a\.Cut\)/,
  ],
  ['a column of another name', { [`${router}table.field.event.id`]: 'uuid' }, /outbox\.columns\.id is id/],
  ['another key', { [`${router}table.field.event.key`]: 'tenant' }, /outbox\.columns\.aggregateid/],
  ['another payload', { [`${router}table.field.event.payload`]: 'body' }, /outbox\.columns\.payload/],
  ['another route', { [`${router}route.by.field`]: 'type' }, /outbox\.columns\.aggregatetype/],
  [
    'other topics',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: Debezium's own placeholder
    { [`${router}route.topic.replacement`]: 'x.${routedByValue}' },
    /x\.\{aggregatetype\}, and topics/,
  ],
  ['a regex of its own', { [`${router}route.topic.regex`]: '(.*)-v1' }, /route\.topic\.regex/],
  ['tombstones', { [`${router}route.tombstone.on.empty.payload`]: 'true' }, /topics\.tombstones/],
  ['keys in JSON', { 'key.converter': 'org.apache.kafka.connect.json.JsonConverter' }, /key\.converter/],
  [
    'a column in the value',
    { [`${router}table.fields.additional.placement`]: 'tenant:envelope:t' },
    /tenant:envelope:t puts the column into the value/,
  ],
  [
    'a column that is the partition',
    { [`${router}table.fields.additional.placement`]: 'shard:partition' },
    /shard:partition takes the partition from the column/,
  ],
  [
    'a place that nobody knows',
    { [`${router}table.fields.additional.placement`]: 'shard:somewhere' },
    /placed nowhere/,
  ],
  [
    'a mapped column that no setting makes a header',
    { [`${router}table.fields.additional.placement`]: 'aggregateid:header:order' },
    /set records\.headers to have order: aggregateid/,
  ],
  [
    'a header that the relay writes itself',
    { [`${router}table.fields.additional.placement`]: 'tenant:header:position' },
    /a meaning of its own/,
  ],
])('%s is named, before anything is published', (_, change, fault) => {
  expect(judge(change).faults).toEqual([expect.stringMatching(fault)]);
});

test('headers of other columns need a column for headers', () => {
  const { faults, ownHeaders } = judge({}, settings({ OUTBOX_RELAY_OUTBOX_COLUMNS_HEADERS: '' }));
  expect(faults).toEqual([expect.stringMatching(/tenant:header: .*outbox\.columns\.headers names none/)]);
  expect(ownHeaders).toEqual([]);
});

test('values in an envelope of JsonConverter are no plain JSON', () => {
  const converter = { 'value.converter': 'org.apache.kafka.connect.json.JsonConverter' };
  const json = settings({ OUTBOX_RELAY_RECORDS_FORMAT: 'json' });
  expect(judge(converter, json).faults).toEqual([expect.stringMatching(/schemas\.enable/)]);
  expect(judge({ ...converter, 'value.converter.schemas.enable': 'false' }, json).faults).toEqual([]);
  expect(judge(converter).faults).toEqual([]);
});
