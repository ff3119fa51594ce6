/**
 * One transaction of the order service. Promise: the `sequence` of a key's events is their commit order. It rests on the
 * row of the aggregate, which a transaction locks before it numbers an event and holds until its commit is in the WAL.
 */
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { copyRows } from './copy.ts';
import type { WrittenEvent } from './oracle.ts';
import type { Payload } from './payloads.ts';

/** The order service's own table beside the outbox: its aggregates, and how many events each has had. */
export const shopTables = `
  create schema if not exists shop;
  create table if not exists shop.aggregate (
    kind text not null, key text not null, version bigint not null, primary key (kind, key))`;

/** An event to write: a payload under a key, numbered. */
export type NumberedEvent = Payload & {
  readonly id: string;
  readonly key: string;
  readonly sequence: number;
};

const columns = ['id', 'aggregatetype', 'aggregateid', 'type', 'payload', 'headers'] as const;

export class Transaction {
  readonly client: pg.ClientBase;
  readonly #written: WrittenEvent[] = [];
  #undone = 0;
  #savepoint = 0;

  constructor(client: pg.ClientBase) {
    this.client = client;
  }

  /** What COMMIT makes final. */
  get written(): readonly WrittenEvent[] {
    return this.#written;
  }

  /** How many events were rolled back to a savepoint. */
  get undone(): number {
    return this.#undone;
  }

  /** Locks the aggregates of the events until the end of the transaction, and numbers the events of each in order. */
  async number(drafts: readonly { payload: Payload; key: string }[]): Promise<NumberedEvent[]> {
    const counts = new Map<string, { kind: string; key: string; count: number }>();
    for (const { payload, key } of drafts) {
      const kind = payload.aggregatetype;
      const entry = counts.get(`${kind} ${key}`);
      if (entry === undefined) counts.set(`${kind} ${key}`, { kind, key, count: 1 });
      else entry.count += 1;
    }
    const next = await this.#lock(counts);
    return drafts.map(({ payload, key }) => {
      const name = `${payload.aggregatetype} ${key}`;
      const sequence = next.get(name)!;
      next.set(name, sequence + 1);
      return { ...payload, id: randomUUID(), key, sequence };
    });
  }

  /** In one order for all transactions, so that none waits for another in a circle. */
  async #lock(counts: ReadonlyMap<string, { kind: string; key: string; count: number }>) {
    const names = [...counts.keys()].sort();
    const column = (pick: (entry: { kind: string; key: string; count: number }) => unknown) =>
      names.map((name) => pick(counts.get(name)!));
    const { rows } = await this.client.query<{ kind: string; key: string; version: string }>(
      `insert into shop.aggregate as held (kind, key, version)
       select * from unnest($1::text[], $2::text[], $3::bigint[])
       on conflict (kind, key) do update set version = held.version + excluded.version
       returning kind, key, version`,
      [column(({ kind }) => kind), column(({ key }) => key), column(({ count }) => count)],
    );
    return new Map(
      rows.map(({ kind, key, version }) => {
        const name = `${kind} ${key}`;
        return [name, Number(version) - counts.get(name)!.count + 1];
      }),
    );
  }

  /** A statement an event. */
  async insertEach(events: readonly NumberedEvent[]): Promise<void> {
    for (const event of events) {
      await this.client.query(
        `insert into outbox.event (${columns.join()}) values ($1, $2, $3, $4, $5, $6)`,
        toRow(event),
      );
      this.#note([event]);
    }
  }

  /** By the function for applications, which makes the id. */
  async emitEach(events: readonly NumberedEvent[]): Promise<void> {
    for (const event of events) {
      const { rows } = await this.client.query<{ id: string }>(
        'select outbox.emit($1, $2, $3, $4, $5) as id',
        toRow(event).slice(1),
      );
      this.#note([{ ...event, id: rows[0]!.id }]);
    }
  }

  /** All in one statement. */
  async insertTogether(events: readonly NumberedEvent[]): Promise<void> {
    const width = columns.length;
    const tuple = (_: unknown, row: number) =>
      `(${columns.map((_, column) => `$${row * width + column + 1}`).join()})`;
    await this.client.query(
      `insert into outbox.event (${columns.join()}) values ${events.map(tuple).join()}`,
      events.flatMap(toRow),
    );
    this.#note(events);
  }

  async copy(events: readonly NumberedEvent[]): Promise<void> {
    await copyRows(this.client, 'outbox.event', columns, events.map(toRow));
    this.#note(events);
  }

  /** Runs `work` in a savepoint and rolls back to it. */
  async undo(work: () => Promise<void>): Promise<void> {
    const name = `undo_${this.#savepoint}`;
    this.#savepoint += 1;
    const before = this.#written.length;
    await this.client.query(`savepoint ${name}`);
    await work();
    await this.client.query(`rollback to savepoint ${name}`);
    this.#undone += this.#written.length - before;
    this.#written.length = before;
  }

  #note(events: readonly NumberedEvent[]): void {
    for (const { id, aggregatetype, key, sequence, fate, content } of events)
      this.#written.push({ id, topic: `outbox.event.${aggregatetype}`, key, sequence, fate, content });
  }
}

function toRow({ id, aggregatetype, key, type, json, headers }: NumberedEvent): (string | null)[] {
  return [id, aggregatetype, key, type, json, JSON.stringify(headers)];
}
