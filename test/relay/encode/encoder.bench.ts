/**
 * What one event costs from row to record: route, schema, headers, JSON to Avro; on a 300-byte order. Goal: no more than
 * twice what JSON to Avro takes (`avro/json-to-avro.bench.ts`). One run is a transaction of 1,000 rows.
 * `npx vitest bench --run test/relay/encode/encoder.bench.ts`
 */
import { bench } from 'vitest';
import { eventsOf } from '../../../relay/capture/event.ts';
import { Encoder } from '../../../relay/encode/encoder.ts';
import { rowsFrom, transactionOf } from '../capture/rows.ts';
import { configOf } from '../settings.ts';
import { orderPayload, orderSchema } from './formats/avro/order.ts';

const registered = { id: 7, schemaText: JSON.stringify(orderSchema), references: [] };
const encoder = new Encoder(
  configOf(),
  { latest: async () => registered, version: async () => registered },
  { resolve: async () => ({ partitions: 6, maxMessageBytes: 1_048_588, keptMs: 1e12 }) },
);
const rows = Array.from({ length: 1_000 }, (_, index) => ({
  id: 'b1f2c3d4-0000-4000-8000-00000000002a',
  aggregatetype: 'order',
  aggregateid: `customer-${index}`,
  type: 'shop.sales.Order',
  payload: orderPayload(index),
  headers: '{}',
  createdAt: null,
}));
const transaction = transactionOf(5n, 0, { rows: rowsFrom(rows), committedAtMs: 1_767_323_045_678 });

bench('a transaction of 1,000 orders, row to record', async () => {
  await encoder.encode(eventsOf(transaction, 0));
});
