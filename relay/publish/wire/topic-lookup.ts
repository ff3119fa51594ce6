/** Finds out whether a topic exists by asking several brokers, because a broker's copy of the metadata may lag. */
import type { Kafka } from 'kafkajs';
import { kafkaErrorType } from '../../connect/kafka.ts';
import { Wire } from './kafkajs-wire.ts';

/** Enough that one lagging broker does not decide, and few enough for a large cluster. */
const askedMax = 3;

/** Whether at least one of the brokers that answer knows the topic. @throws the client's errors if none answers */
export async function isKnownToAny(kafka: Kafka, topic: string): Promise<boolean> {
  const wire = await Wire.open(kafka, []);
  try {
    const answers = await Promise.allSettled(
      wire.someBrokerIds(askedMax).map(async (nodeId) => isKnownTo(wire, nodeId, topic)),
    );
    const answered = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
    const [failed] = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []));
    if (answered.length === 0) throw failed ?? new Error('the cluster lists no broker');
    return answered.includes(true);
  } finally {
    await wire.close();
  }
}

async function isKnownTo(wire: Wire, nodeId: number, topic: string): Promise<boolean> {
  const broker = await wire.broker(nodeId);
  try {
    await broker.metadata([topic]);
    return true;
  } catch (error) {
    const type = kafkaErrorType(error);
    if (type === undefined) throw error;
    return type !== 'UNKNOWN_TOPIC_OR_PARTITION';
  }
}
