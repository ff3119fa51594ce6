/** Where each contender publishes the rows of an `aggregatetype`: all read the same rows, each into topics of its own. */

export const topicOf = (aggregateType: string): string => `outbox.event.${aggregateType}`;

/** Of the relay that passes the JSON through. */
export const jsonTopicOf = (aggregateType: string): string => `json.${aggregateType}`;

/** Of Debezium, or of a variant of it. */
export const debeziumTopicOf = (aggregateType: string, variant = 'debezium'): string =>
  `${variant}.${aggregateType}`;
