/** Rows that Postgres accepts and that are hard to read; the events behind them must not wait for them. */
import { randomUUID } from 'node:crypto';
import type { Arena, Fault } from '../fault.ts';
import type { OutboxEvent } from '../load.ts';

const rounds = 5;
const million = 1_000_000;

/** Text of a payload with `%key` and `%seq`, and whether an Avro schema can hold it. */
const rows: readonly { readonly text: string; readonly isPoison: boolean }[] = [
  { text: String.raw`{"key":"%key","seq":%seq,"note":"\u0000 a\u0000b"}`, isPoison: false },
  { text: String.raw`{"key":"%key","seq":%seq,"note":"\u202e\u200d\ufeff\ufffe"}`, isPoison: false },
  { text: `{"key":"%key","seq":%seq,"note":"${'01'.repeat(200_000)}"}`, isPoison: false },
  { text: String.raw`{"key":"%key","seq":%seq,"note":"\ud800"}`, isPoison: true },
  { text: `{"key":"%key","seq":${'9'.repeat(million)},"note":null}`, isPoison: true },
  { text: `{"key":"%key","seq":%seq,"note":${'['.repeat(5_000)}${']'.repeat(5_000)}}`, isPoison: true },
];

export const hostileTextFaults: readonly Fault[] = [
  {
    name: 'hostile text',
    class: 'dead-letters',
    about: `NUL, lone surrogates, a million digits and 5,000 brackets in payloads under load, ${rounds} times`,
    expect: 'recovers',
    inject: writeHostileText,
  },
];

async function writeHostileText(arena: Arena): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (const { text, isPoison } of rows) {
      const key = `hostile-${isPoison ? 'refused' : 'text'}`;
      await insert(arena, arena.load.event(key, { isPoison }), text);
      await arena.load.commit([arena.load.event('behind-hostile')]);
    }
  }
}

/** Inserts the payload as text: JSON.stringify and Postgres's JSON functions would refuse half of these. */
async function insert({ load }: Arena, event: OutboxEvent, text: string): Promise<void> {
  const { id, key, type, seq, isPoison } = event;
  const headers = { seq: String(seq), tx: randomUUID(), ...(isPoison ? { poison: 'yes' } : {}) };
  const values = [id, key, type, text.replace('%key', key).replace('%seq', String(seq))];
  await load.commitWith([event], (client) =>
    client.query(
      `insert into outbox.event (id, aggregatetype, aggregateid, type, payload, headers)
       values ($1, 'item', $2, $3, $4, $5)`,
      [...values, JSON.stringify(headers)],
    ),
  );
}
