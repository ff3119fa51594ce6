/** Each step with an uncertain outcome: fence, claim and resend then deliver each event exactly once. */
import { describe, expect, test } from 'vitest';
import { type ExchangeFault, type KafkaApi, TcpProxy } from '../../../../harness/tcp-proxy.ts';
import type { RelayError } from '../../../../relay/errors.ts';
import { readCommitted } from '../../../support/kafka.ts';
import { servers } from '../../../support/servers.ts';
import { Scene } from './scene.ts';

type Case = {
  readonly name: string;
  readonly api: KafkaApi;
  readonly fault: ExchangeFault;
  /** Whether the transaction is committed although no answer confirmed it. */
  readonly isCommitted: boolean;
};

const cases: Case[] = [
  { name: 'a Produce request is lost', api: 'Produce', fault: 'request', isCommitted: false },
  { name: 'the answer to Produce is lost', api: 'Produce', fault: 'answer', isCommitted: false },
  { name: 'Produce is not answered in time', api: 'Produce', fault: 'silence', isCommitted: false },
  { name: 'an EndTxn request is lost', api: 'EndTxn', fault: 'request', isCommitted: false },
  { name: 'the answer to EndTxn is lost', api: 'EndTxn', fault: 'answer', isCommitted: true },
  { name: 'EndTxn is not answered in time', api: 'EndTxn', fault: 'silence', isCommitted: true },
];

const versions = ['1', 'auto'];

describe.each(cases)('when $name', ({ api, fault, isCommitted }) => {
  test.each(versions)(
    'the outcome is uncertain, and the progress decides what to resend (protocol %s)',
    async (version) => {
      const { brokers } = await servers();
      await using proxy = await TcpProxy.before(`kafka://${brokers[0]}`, true);
      await using scene = await Scene.open({
        partitions: 3,
        proxy,
        // Longer than a busy machine keeps any other request waiting.
        settings: { KAFKA_REQUEST_TIMEOUT_MS: 3_000, PUBLISH_TRANSACTION_VERSION: version },
      });
      const records = (name: string) =>
        Array.from({ length: 30 }, (_, i) => ({ key: `${name}${i}`, partition: i % 3 }));

      const first = await scene.publisher();
      await scene.publish(first, records('a'));
      const happened = proxy.failNext(api, fault);
      const failure: RelayError = await scene.publish(first, records('b')).then(
        () => Promise.reject(new Error('it did not fail')),
        (error) => error,
      );
      await happened;
      expect(failure.code).toBe('PUBLISH_UNCERTAIN');
      await expect(scene.publish(first, records('b'))).rejects.toMatchObject({ code: 'INTERNAL' });
      await first.close();

      const second = await scene.publisher();
      const claimed = await second.claim(scene.tail);
      expect(claimed?.eventCount).toBe(isCommitted ? 60 : 30);
      if (!isCommitted) await scene.publish(second, records('b'));
      await scene.publish(second, records('c'));

      const read = await readCommitted({ topics: [scene.topic] });
      for (let partition = 0; partition < 3; partition++) {
        const expected = ['a', 'b', 'c'].flatMap(records).filter((record) => record.partition === partition);
        const found = read.filter((record) => record.partition === partition);
        expect(found.map(({ key }) => key)).toEqual(expected.map(({ key }) => key));
      }
    },
  );
});

test.each(['request', 'answer'] as const)(
  'a connection that is lost before anything is sent (%s of AddPartitionsToTxn) is replaced, and the producer continues',
  async (fault) => {
    const { brokers } = await servers();
    await using proxy = await TcpProxy.before(`kafka://${brokers[0]}`, true);
    await using scene = await Scene.open({ proxy });
    const publisher = await scene.publisher();
    await scene.publish(publisher, [{ key: 'a' }]);
    const happened = proxy.failNext('AddPartitionsToTxn', fault);
    await scene.publish(publisher, [{ key: 'b' }]);
    await happened;
    await scene.publish(publisher, [{ key: 'c' }]);
    const read = await readCommitted({ topics: [scene.topic] });
    expect(read.map(({ key }) => key)).toEqual(['a', 'b', 'c']);
  },
);
