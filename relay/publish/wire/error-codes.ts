/** The error codes of Kafka's protocol that the relay decides by. kafkajs names the others. */
export const codes = {
  unknownTopicOrPartition: 3,
  leaderNotAvailable: 5,
  topicAuthorizationFailed: 29,
  /**
   * Of brokers that offer the request: the coordinator cannot store the state of a producer that has used protocol 2, since
   * `transaction.version` was taken to 0. Somebody else has to repair that, so the session ends, and the relay tries again.
   */
  unsupportedVersion: 35,
  invalidProducerEpoch: 47,
  invalidTxnState: 48,
  invalidProducerIdMapping: 49,
  concurrentTransactions: 51,
  /** Partitions that the coordinator skipped because it refused another one of the request. */
  operationNotAttempted: 55,
  producerFenced: 90,
  transactionalIdNotFound: 105,
  transactionAbortable: 120,
} as const;
