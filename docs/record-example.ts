/** The example of docs/reference/record-layout.md: a row, and the record that the encoder makes of it. */
import { readFile } from 'node:fs/promises';
import { loadConfig } from '../relay/config/config.ts';
import { Encoder } from '../relay/encode/encoder.ts';
import { isRefusal } from '../relay/encode/record.ts';
import { code, table } from './markdown.ts';

const row = {
  id: 'c0f384b8-4075-4b51-88eb-c05ba5dc1495',
  aggregatetype: 'order',
  aggregateid: '42',
  type: 'shop.order.OrderCancelled',
  payload:
    '{"orderId": "6f1c2c4e-7f0e-4f0a-9c53-2a5d1c6f9b10", "cancelledAt": "2026-01-31T08:00:00Z", "reason": "CUSTOMER", "comment": null}',
  headers: '{"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}',
  createdAt: null,
};
const committedAt = '2026-01-31T08:00:00.125Z';
const schemaId = 7;
const partitions = 3;

export async function recordExample(): Promise<string> {
  const schemaText = await readFile(new URL('../schemas/order/OrderCancelled.avsc', import.meta.url), 'utf8');
  const registered = async () => ({ id: schemaId, schemaText, references: [] });
  const encoder = new Encoder(
    loadConfig({ env: {}, needs: [] }).config,
    { latest: registered, version: registered },
    { resolve: async () => ({ partitions, maxMessageBytes: 1_000_000, keptMs: Number.POSITIVE_INFINITY }) },
  );
  const position = { commitLsn: 0x1bf_a340n, ordinal: 0 };
  const [record] = await encoder.encode([{ position, committedAtMs: Date.parse(committedAt), row }]);
  if (record === undefined || isRefusal(record)) throw new Error('the example is refused');
  const columns = [row.aggregatetype, row.aggregateid, row.type, row.payload, row.headers];
  const insert = `insert into outbox.event (id, aggregatetype, aggregateid, type, payload, headers) values\n${[row.id, ...columns].map((value) => `  '${value}'`).join(',\n')};`;
  const hex = record.value!.toString('hex');
  const parts = [
    ['topic', record.topic],
    ['partition', `${record.partition}`],
    ['key', record.key],
    ['timestamp', new Date(record.timestampMs).toISOString()],
    ...Object.entries(record.headers).map(([name, value]) => [`header \`${name}\``, value]),
    ['value', `${hex.slice(0, 2)} ${hex.slice(2, 10)} ${hex.slice(10)}`],
  ].map(([part, content]) => [part!, code(content!)]);
  return `\`\`\`sql\n${insert.replace('values\n', 'values (\n').replace(/;$/, '\n);')}\n\`\`\`\n\nCommitted at ${committedAt}, for a topic of ${partitions} partitions and a schema with id ${schemaId}, this row becomes:\n\n${table(['part', 'content'], parts)}`;
}
