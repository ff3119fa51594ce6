/** Error codes of the protocol that the model answers with. */
export const codes = {
  unknownServerError: -1,
  none: 0,
  unknownTopic: 3,
  notLeader: 6,
  coordinatorLoadInProgress: 14,
  notCoordinator: 16,
  notEnoughReplicas: 19,
  unsupportedVersion: 35,
  outOfOrderSequence: 45,
  invalidProducerEpoch: 47,
  invalidTxnState: 48,
  invalidProducerIdMapping: 49,
  concurrentTransactions: 51,
  /** Of a marker; no client sees it. */
  coordinatorFenced: 52,
  networkException: 13,
  producerFenced: 90,
  transactionalIdNotFound: 105,
  transactionAbortable: 120,
} as const;
