import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { TimedQueue } from '../../../../relay/publish/wire/kafkajs-internals.ts';
import '../../../../relay/publish/wire/kafkajs-internals.ts';

type Queue = TimedQueue &
  EventEmitter & {
    push(request: unknown): void;
    fulfillRequest(answer: { correlationId: number; payload: Buffer; size: number }): void;
  };
type Options = { requestTimeout: number; isConnected: () => boolean } & Record<string, unknown>;
const RequestQueue = createRequire(import.meta.url)('kafkajs/src/network/requestQueue') as new (
  options: Options,
) => Queue;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const logger = { debug: () => {}, warn: () => {} };
let isConnected = true;

function scene() {
  isConnected = true;
  const queue = new RequestQueue({
    ...{ maxInFlightRequests: null, enforceRequestTimeout: true, clientId: 'c', broker: 'b', logger },
    requestTimeout: 1_000,
    isConnected: () => isConnected,
  });
  queue.scheduleRequestTimeoutCheck(); // as kafkajs does once it is connected
  const failures: string[] = [];
  const send = (correlationId: number) =>
    queue.push({
      entry: {
        ...{ apiKey: 0, apiName: 'Produce', apiVersion: 7, correlationId },
        resolve: () => {},
        reject: (error: Error) => failures.push(`${correlationId} ${error.name}`),
      },
      ...{ expectResponse: true, requestTimeout: null, sendRequest: () => {} },
    });
  const answer = (correlationId: number) =>
    queue.fulfillRequest({ correlationId, payload: Buffer.alloc(0), size: 0 });
  return { queue, send, answer, failures };
}

test('a connection on which nothing is on its way sets no timer', () => {
  const { send, answer } = scene();
  expect(vi.getTimerCount()).toBe(0);
  send(1);
  expect(vi.getTimerCount()).toBe(1);
  send(2);
  expect(vi.getTimerCount()).toBe(1);
  answer(1);
  answer(2);
  vi.advanceTimersByTime(100);
  expect(vi.getTimerCount()).toBe(0);
});

test('each request that is not answered in time fails, also after others were and after a silence', () => {
  const { send, answer, failures } = scene();
  send(1);
  vi.advanceTimersByTime(600);
  send(2);
  vi.advanceTimersByTime(600);
  expect(failures).toEqual(['1 KafkaJSRequestTimeoutError']);
  answer(2);
  vi.advanceTimersByTime(60_000);
  send(3);
  vi.advanceTimersByTime(1_000);
  expect(failures).toHaveLength(1);
  vi.advanceTimersByTime(101);
  expect(failures).toEqual(['1 KafkaJSRequestTimeoutError', '3 KafkaJSRequestTimeoutError']);
});

test('a connection that is lost or closed leaves no timer behind', () => {
  const { queue, send } = scene();
  send(1);
  queue.destroy();
  expect(vi.getTimerCount()).toBe(0);
  send(2);
  isConnected = false;
  vi.advanceTimersByTime(100);
  expect(vi.getTimerCount()).toBe(0);
});
