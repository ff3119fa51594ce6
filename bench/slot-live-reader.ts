/**
 * Notes when each event arrives through a replication slot, in a thread of its own: nothing comes sooner. It parses
 * nothing but the id of each row.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { encodeStatusUpdate } from '../relay/capture/status-update.ts';
import type { LiveReaderQuestion, Receipts } from './live.ts';
import { nowMs } from './machine.ts';
import { openSlotStream, type SlotStream } from './slot-stream.ts';

export type SlotLiveReaderInput = { readonly url: string; readonly slot: string };

const { url, slot } = workerData as SlotLiveReaderInput;
const ids: string[] = [];
const atMs: number[] = [];
/** The first text of a row that looks like one is its id, the first column. */
const uuid = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/;

const stream: SlotStream = await openSlotStream(url, slot, (chunk) => {
  // Of data (w), behind the header of 25 bytes, an Insert (I).
  if (chunk[0] !== 0x77) return;
  const isInsert = chunk[25] === 0x49;
  const id = isInsert ? uuid.exec(chunk.toString('latin1', 26, 120))?.[0] : undefined;
  if (id === undefined) return;
  ids.push(id);
  atMs.push(nowMs());
});
// As a consumer that has kept all, so that the slot holds nothing back.
setInterval(() => stream.send(encodeStatusUpdate(stream.lastLsn, Date.now(), false)), 1_000).unref();
parentPort!.on('message', (question: LiveReaderQuestion) =>
  parentPort!.postMessage(question === 'count' ? ids.length : ({ ids, atMs } satisfies Receipts)),
);
parentPort!.postMessage('ready');
