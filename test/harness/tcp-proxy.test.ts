/** What a client behind the proxy sees of each disturbance, with a server that echoes. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { type ExchangeFault, TcpProxy } from '../../harness/tcp-proxy.ts';

let server: Server;
/** Of the server, in the order in which they were opened. */
const sockets: Socket[] = [];
const target = () => (server.address() as AddressInfo).port;

beforeAll(async () => {
  server = createServer((socket) => {
    sockets.push(socket.on('error', () => {}));
    // Of a frame of Kafka's the correlation id is at 8 in a request, and at 4 in an answer.
    socket.on('data', (chunk) => socket.write(chunk.length === 12 ? frame(8, chunk.subarray(8)) : chunk));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => {
  for (const socket of sockets) socket.destroy();
  server.close();
});

/** Also where an error comes before it. */
const closeOf = (socket: Socket) => new Promise((resolve) => socket.once('close', resolve));

function frame(size: number, rest: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeInt32BE(size - 4);
  return Buffer.concat([head, rest]);
}

function request(api: number, correlation: number): Buffer {
  const rest = Buffer.alloc(8);
  rest.writeInt16BE(api);
  rest.writeInt32BE(correlation, 4);
  return frame(12, rest);
}

async function open(
  speaksKafka = false,
): Promise<{ proxy: TcpProxy; client: Socket; received: () => string }> {
  const proxy = await TcpProxy.open(target(), speaksKafka);
  const client = connect(proxy.port, '127.0.0.1').on('error', () => {});
  let received = '';
  client.on('data', (chunk) => (received += chunk.toString('latin1')));
  onTestFinished(async () => {
    client.destroy();
    await proxy[Symbol.asyncDispose]();
  });
  await once(client, 'connect');
  return { proxy, client, received: () => received };
}

test('passes bytes on, and counts connections', async () => {
  const { proxy, client, received } = await open();
  client.write('hello');
  await expect.poll(received).toBe('hello');
  expect(proxy.connections).toBe(1);
  expect(proxy.through('postgres://u:p@localhost:5432/x?y=1')).toBe(
    `postgres://u:p@127.0.0.1:${proxy.port}/x?y=1`,
  );
});

test('a silence holds what is sent, and its end delivers it', async () => {
  const { proxy, client, received } = await open();
  proxy.silence();
  client.write('held');
  await delay(50);
  expect(received()).toBe('');
  proxy.calm();
  await expect.poll(received).toBe('held');
});

test('when shut it resets every connection, the next ones too, until it is calm', async () => {
  const { proxy, client } = await open();
  proxy.shut();
  await closeOf(client);
  const next = connect(proxy.port, '127.0.0.1').on('error', () => {});
  await closeOf(next);
  proxy.calm();
  const last = connect(proxy.port, '127.0.0.1');
  last.write('x');
  expect(String((await once(last, 'data'))[0])).toBe('x');
  last.destroy();
});

test('of a half-open connection only the server learns', async () => {
  const { proxy, client, received } = await open();
  client.write('x');
  await expect.poll(received).toBe('x');
  const closed = closeOf(sockets.at(-1)!);
  proxy.halfOpen();
  await closed;
  client.write('into the void');
  await delay(50);
  expect([client.destroyed, received()]).toEqual([false, 'x']);
});

test('holds the next request of a kind, and lets others pass before it', async () => {
  const { proxy, client, received } = await open(true);
  const held = proxy.hold('EndTxn');
  client.write(request(0, 1));
  await expect.poll(() => received().length).toBe(8);
  client.write(request(26, 2));
  await held.met;
  await delay(50);
  expect(received().length).toBe(8);
  held.release();
  await expect.poll(() => received().length).toBe(16);
});

test('passes an answer of Kafka on as its bytes arrive, so that a cut may fall within one', async () => {
  const { client, received } = await open(true);
  client.write(request(0, 1));
  await expect.poll(() => received().length).toBe(8);
  const behind = sockets.at(-1)!;
  const answer = frame(20, Buffer.alloc(16, 7));
  behind.write(answer.subarray(0, 6));
  await delay(20);
  expect(received().length).toBe(8);
  behind.write(answer.subarray(6, 13));
  await expect.poll(() => received().length).toBe(8 + 13);
  behind.write(Buffer.concat([answer.subarray(13), frame(8, Buffer.alloc(4, 9)), answer.subarray(0, 9)]));
  await expect.poll(() => received().length).toBe(8 + 20 + 8 + 9);
});

test.each<[ExchangeFault, boolean, number]>([
  ['request', true, 0],
  ['answer', true, 12],
  ['silence', false, 12],
])('fails one exchange by its %s', async (fault, isCut, arrivedBytes) => {
  const { proxy, client, received } = await open(true);
  client.write(request(0, 1));
  await expect.poll(() => received().length).toBe(8);
  const behind = sockets.at(-1)!;
  const before = behind.bytesRead;
  const closed = closeOf(client);
  const happened = proxy.failNext('Produce', fault);
  client.write(request(0, 2));
  await happened;
  if (isCut) await closed;
  else {
    // The connection lives, and the exchange after it is whole.
    client.write(request(0, 3));
    await expect.poll(() => received().length).toBe(16);
  }
  expect(received().slice(8)).not.toContain('\x02');
  expect(behind.bytesRead - before).toBe(isCut ? arrivedBytes : arrivedBytes + 12);
});
