/**
 * Patches kafkajs so that a question about the whole cluster is answered even if a partition in it has no leader.
 *
 * kafkajs asks for all topics to list them, and also before it creates one, reads settings or finds a broker. If a partition
 * of any topic has no leader, it takes that for a failure of the question, and gives up after 4 s of retries. But a cluster
 * belongs to many teams. While a broker is away, each topic with its only replica there has no leader, and no relay could
 * start. A question that names topics still fails, as it is about them.
 */
import { internal, missingInternal } from './kafkajs-internal.ts';

const protocol = 'kafkajs/src/protocol';

type Question = { readonly response: object };
type Ask = (question: Question) => Promise<unknown>;
type Broker = {
  readonly allowAutoTopicCreation: boolean;
  metadata(topics?: readonly string[]): Promise<unknown>;
  lookupRequest(
    apiKey: number,
    request: unknown,
  ): (content: { topics: readonly string[]; allowAutoTopicCreation: boolean }) => Question;
};

function answerForAllTopics(broker: Broker): void {
  const { metadata: ofNamed } = broker;
  const symbol = Object.getOwnPropertySymbols(broker).find(
    ({ description }) => description === 'private:Broker:sendRequest',
  );
  if (typeof ofNamed !== 'function' || symbol === undefined) throw missingInternal('Broker.metadata');
  const { requests } = internal<{ requests: { readonly Metadata: unknown } }>(`${protocol}/requests`);
  const { Metadata: apiKey } = internal<{ readonly Metadata: number }>(`${protocol}/requests/apiKeys`);
  broker.metadata = async function (topics = []) {
    if (topics.length > 0) return ofNamed.call(this, topics);
    const { allowAutoTopicCreation } = this;
    const question = this.lookupRequest(apiKey, requests.Metadata)({ topics, allowAutoTopicCreation });
    // kafkajs turns the first error in an answer into its own there.
    const response = { ...question.response, parse: async (answer: unknown) => answer };
    return (Reflect.get(this, symbol) as Ask).call(this, { ...question, response });
  };
}
answerForAllTopics(internal<{ prototype: Broker }>('kafkajs/src/broker').prototype);
