/**
 * Changes one thing in kafkajs, for whoever imports this: a question about the whole cluster is answered, although some
 * partition in it has no leader.
 *
 * kafkajs asks for all topics to list them, and also before it creates one, reads settings or finds a broker. If a partition
 * of any topic has no leader, it takes that for a failure of the question, and gives up after 4 s of retries. But a cluster
 * belongs to many teams, and where a broker is away, a topic of theirs that has no other replica is without a leader until it
 * is back: for all that time no relay could have started. A question that names topics still fails, as it is about them.
 */
import { createRequire } from 'node:module';
import { RelayError } from '../errors.ts';

const kafkajs = createRequire(import.meta.url);

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
  if (typeof ofNamed !== 'function' || symbol === undefined)
    throw new RelayError('INTERNAL', 'Broker.metadata is missing: the relay needs exactly kafkajs 2.2.4');
  const { requests } = kafkajs('kafkajs/src/protocol/requests') as {
    readonly requests: { readonly Metadata: unknown };
  };
  const { Metadata: apiKey } = kafkajs('kafkajs/src/protocol/requests/apiKeys') as {
    readonly Metadata: number;
  };
  broker.metadata = async function (topics = []) {
    if (topics.length > 0) return ofNamed.call(this, topics);
    const { allowAutoTopicCreation } = this;
    const question = this.lookupRequest(apiKey, requests.Metadata)({ topics, allowAutoTopicCreation });
    // kafkajs turns the first error in an answer into its own there.
    const response = { ...question.response, parse: async (answer: unknown) => answer };
    return (Reflect.get(this, symbol) as Ask).call(this, { ...question, response });
  };
}
answerForAllTopics((kafkajs('kafkajs/src/broker') as { prototype: Broker }).prototype);
