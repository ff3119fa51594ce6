/** Topics written by hand, as a relay would or should not: whole transactions, committed, aborted or left open. */
import { randomUUID } from 'node:crypto';
import type { Message, Producer } from 'kafkajs';
import { kafkaClient } from '../../support/kafka.ts';
import { unique } from '../../support/unique.ts';

export type Writing = { readonly topic: string; readonly messages: Message[] };

export type TransactionalWriter = AsyncDisposable & {
  commit(...writings: Writing[]): Promise<void>;
  abort(...writings: Writing[]): Promise<void>;
  /** Writes and leaves the transaction open until the function that it returns is called. */
  open(...writings: Writing[]): Promise<() => Promise<void>>;
};

/** @param brokers other ones than the shared */
export async function openWriter(brokers?: readonly string[]): Promise<TransactionalWriter> {
  const producer: Producer = (await kafkaClient(brokers)).producer({
    transactionalId: unique('writer'),
    idempotent: true,
    maxInFlightRequests: 1,
    transactionTimeout: 60_000,
    allowAutoTopicCreation: false,
    retry: { initialRetryTime: 10, maxRetryTime: 200, retries: 20 },
  });
  await producer.connect();
  const write = async (writings: Writing[]) => {
    const transaction = await producer.transaction();
    await transaction.sendBatch({ topicMessages: writings });
    return transaction;
  };
  return {
    commit: async (...writings) => (await write(writings)).commit(),
    abort: async (...writings) => (await write(writings)).abort(),
    open: async (...writings) => {
      const transaction = await write(writings);
      return () => transaction.commit();
    },
    [Symbol.asyncDispose]: () => producer.disconnect(),
  };
}

/** Messages for partition 0 with these values. */
export function messages(...values: string[]): Message[] {
  return values.map((value) => ({ key: randomUUID(), value, partition: 0 }));
}
