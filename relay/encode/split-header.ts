/**
 * `true` on the events of a Postgres transaction whose earlier events are in an earlier Kafka transaction, since it was
 * split. A consumer that wants whole transactions has to put it together by the LSN in `position`.
 */
export const splitHeader = 'split-transaction';
