/** I6 by what passes on the wire: whatever a relay acknowledges, Kafka had confirmed before. */
import { expect, test } from 'vitest';
import { Oracle } from '../../chaos/oracle.ts';
import { Wiretap } from '../../chaos/wiretap.ts';
import { encodeStatusUpdate } from '../../relay/capture/status-update.ts';

const transactionalId = 'relay.s';

/** A broker, a database and a consumer, as the proxies and the oracle meet them. */
class Scene {
  readonly wiretap = new Wiretap();
  readonly oracle = new Oracle('topic', 's', {
    commits: () => this.wiretap.commitsOf(transactionalId),
    acknowledgements: () => this.wiretap.acknowledgementsOf('s'),
  });
  readonly #kafka = this.wiretap.kafka();
  readonly #postgres = this.wiretap.postgres();
  #offset = 0n;

  constructor() {
    const startup = Buffer.alloc(9);
    startup.writeInt32BE(9);
    startup.writeInt32BE(196_608, 4);
    this.#postgres.fromClient(
      Buffer.concat([startup, message('Q', 'START_REPLICATION SLOT "s" LOGICAL 0/0 ()\0')]),
    );
  }

  /** A commit of transaction protocol 2. */
  asksFlexibly(producerId: bigint, correlationId: number): void {
    const head = Buffer.from([0, 26, 0, 5, 0, 0, 0, correlationId, 0, 2, ...Buffer.from('me'), 0]);
    const id = Buffer.from([transactionalId.length + 1, ...Buffer.from(transactionalId)]);
    const rest = Buffer.alloc(12);
    rest.writeBigInt64BE(producerId, 0);
    rest.writeInt8(1, 10);
    this.#kafka.fromClient(sized(Buffer.concat([head, id, rest])));
  }

  answersFlexibly(correlationId: number, errorCode = 0): void {
    const body = Buffer.alloc(22);
    body.writeInt32BE(correlationId, 0);
    body.writeInt16BE(errorCode, 9);
    this.#kafka.fromServer(sized(body));
  }

  /** In two pieces, as a network may cut it. */
  asks(producerId: bigint, correlationId: number): void {
    const id = Buffer.from(transactionalId);
    const body = Buffer.alloc(10 + 2 + 2 + id.length + 11);
    body.writeInt16BE(26, 0);
    body.writeInt16BE(1, 2);
    body.writeInt32BE(correlationId, 4);
    body.writeInt16BE(2, 8);
    body.write('me', 10);
    body.writeInt16BE(id.length, 12);
    id.copy(body, 14);
    body.writeBigInt64BE(producerId, 14 + id.length);
    body.writeInt8(1, 24 + id.length);
    const frame = sized(body);
    this.#kafka.fromClient(frame.subarray(0, 7));
    this.#kafka.fromClient(frame.subarray(7));
  }

  answers(correlationId: number, errorCode = 0): void {
    const body = Buffer.alloc(10);
    body.writeInt32BE(correlationId, 0);
    body.writeInt16BE(errorCode, 8);
    this.#kafka.fromServer(sized(body));
  }

  /** The consumer sees what a transaction brought to the progress topic. */
  shows(producerId: bigint, endLsn: bigint | 'claim'): void {
    this.#offset += 1n;
    const lsn = `0/${endLsn.toString(16)}`;
    const value = { endLsn: lsn, partial: null, eventCount: 0, time: new Date().toISOString() };
    this.oracle.read({
      topic: 'progress',
      partition: 0,
      offset: this.#offset,
      key: endLsn === 'claim' ? 's/claim' : 's',
      value: Buffer.from(JSON.stringify(value)),
      headers: {},
      producer: `${producerId}/0`,
      transaction: `${this.#offset}`,
    });
  }

  acknowledges(lsn: bigint): void {
    this.#postgres.fromClient(message('d', encodeStatusUpdate(lsn, Date.now(), false)));
  }

  get breaches(): string[] {
    this.oracle.check({ rows: [], letters: [], isComplete: true, mayDeadLetter: false });
    return this.oracle.takeBreaches().map(({ invariant }) => invariant);
  }
}

function sized(body: Buffer): Buffer {
  const size = Buffer.alloc(4);
  size.writeInt32BE(body.length);
  return Buffer.concat([size, body]);
}

function message(type: string, content: string | Buffer): Buffer {
  const body = Buffer.from(content);
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

/** A relay that has claimed, and has one progress. */
function claimed(producerId: bigint, endLsn: bigint): Scene {
  const scene = new Scene();
  scene.asks(producerId, 1);
  scene.answers(1);
  scene.shows(producerId, 'claim');
  scene.asks(producerId, 2);
  scene.answers(2);
  scene.shows(producerId, endLsn);
  return scene;
}

test('nothing is said of an acknowledgement behind the answer to its commit', () => {
  const scene = claimed(7n, 100n);
  scene.acknowledges(100n);
  scene.asks(7n, 3);
  scene.answers(3);
  scene.acknowledges(200n);
  scene.shows(7n, 200n);
  expect(scene.breaches).toEqual([]);
});

test('an acknowledgement of a commit that is under way is found, though the commit succeeds', () => {
  const scene = claimed(7n, 100n);
  scene.asks(7n, 3);
  scene.acknowledges(200n);
  scene.answers(3);
  scene.shows(7n, 200n);
  expect(scene.breaches).toEqual(['I6']);
});

test('a commit whose answer was lost may be acknowledged by the session that has found it, and by none before', () => {
  const scene = claimed(7n, 100n);
  scene.asks(7n, 3);
  scene.shows(7n, 200n);
  scene.asks(8n, 1);
  scene.answers(1);
  scene.shows(8n, 'claim');
  scene.acknowledges(200n);
  expect(scene.breaches).toEqual([]);
  const early = claimed(7n, 100n);
  early.asks(7n, 3);
  early.acknowledges(200n);
  early.shows(7n, 200n);
  expect(early.breaches).toEqual(['I6']);
});

test('an acknowledgement that no progress ever covers is found', () => {
  const scene = claimed(7n, 100n);
  scene.acknowledges(101n);
  expect(scene.breaches).toEqual(['I6']);
});

test('commits of transaction protocol 2 are heard, and refused ones are not taken for done', () => {
  const scene = claimed(7n, 100n);
  scene.asksFlexibly(8n, 3);
  scene.answersFlexibly(3);
  scene.acknowledges(200n);
  scene.shows(8n, 200n);
  expect(scene.breaches).toEqual([]);
  const refused = claimed(7n, 100n);
  refused.asksFlexibly(8n, 3);
  refused.answersFlexibly(3, 51);
  refused.acknowledges(200n);
  refused.shows(8n, 200n);
  expect(refused.breaches).toEqual(['I6']);
});
