/**
 * Reads a replication slot up to a position and throws everything away: node bench/slot-reader.ts <url> <slot> <end
 * LSN>. Stands in for `pg_recvlogical`. It looks at the position of each message and at nothing else, so that Postgres,
 * and not this reader, is the limit.
 */
import { encodeStatusUpdate } from '../relay/capture/status-update.ts';
import { parseLsn } from '../relay/model/position.ts';
import { openSlotStream } from './slot-stream.ts';

const [url = '', slot = '', end = ''] = process.argv.slice(2);
const endLsn = parseLsn(end);
let isDone = false;

await openSlotStream(url, slot, (_chunk, stream) => {
  // Both data (w) and keepalive (k) tell the position of the WAL: of themselves, or of the server.
  if (isDone || stream.lastLsn < endLsn) return;
  isDone = true;
  // The next round begins where this one ended.
  stream.send(encodeStatusUpdate(endLsn, Date.now(), false));
  void stream.end().then(() => process.exit(0));
});
