/**
 * The library that speaks the replication protocol, without what it does for each message beside: for each row it prints
 * the position as text, tells two listeners and makes a promise, which takes as long as reading the row. What a message
 * of data holds goes to the relay at once; everything else remains the library's.
 */
import type { EventEmitter } from 'node:events';
import type pg from 'pg';
import { LogicalReplicationService } from 'pg-logical-replication';
import { RelayError } from '../errors.ts';

/** What the relay uses of the library. */
export type ReplicationService = Pick<LogicalReplicationService, 'on' | 'subscribe' | 'destroy'>;
export type ConnectReplication = (settings: pg.ClientConfig) => ReplicationService;

type Plugin = Parameters<LogicalReplicationService['subscribe']>[0];
type CopyData = { readonly chunk: Buffer };

/** A message with WAL: its kind, then three numbers of eight bytes, then the message of the plugin. */
const walKind = 0x77; // w
const walHeaderBytes = 25;

class QuickReplicationService extends LogicalReplicationService {
  override subscribe(plugin: Plugin, slot: string, upToLsn = '0/0'): Promise<this> {
    const start: Plugin['start'] = (client, ...rest) => {
      takeOver(client, plugin);
      return plugin.start(client, ...rest);
    };
    const quick = {
      name: plugin.name,
      options: plugin.options,
      start,
      parse: (message: Buffer) => plugin.parse(message),
    };
    return super.subscribe(quick as Plugin, slot, upToLsn);
  }
}

/** The library has just begun to listen, and nothing has arrived yet. The driver listens before it, and hears everything. */
function takeOver(client: pg.Client, plugin: Plugin): void {
  const { connection } = client as unknown as { readonly connection: EventEmitter };
  const library = connection.listeners('copyData').at(-1) as ((message: CopyData) => void) | undefined;
  if (library === undefined) throw new RelayError('INTERNAL', 'the replication stream has no listener');
  connection.removeListener('copyData', library);
  connection.on('copyData', (message: CopyData) => {
    const { chunk } = message;
    if (chunk[0] === walKind) plugin.parse(chunk.subarray(walHeaderBytes));
    else library(message);
  });
}

/** With its timer on, the library acknowledges what it received even with `auto: false`. */
export const connectReplication: ConnectReplication = (settings) =>
  new QuickReplicationService(settings, { acknowledge: { auto: false, timeoutSeconds: 0 } });
