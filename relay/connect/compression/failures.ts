/** Owns why a batch cannot be decompressed. Both stop the reader: what it cannot read it must not pass over. */
import { RelayError } from '../../errors.ts';

export function corrupt(cause?: unknown): RelayError {
  return new RelayError('KAFKA_UNSUITABLE', 'a batch of records in Kafka cannot be decompressed', { cause });
}

export function batchTooLarge(maxBytes: number): RelayError {
  return new RelayError(
    'KAFKA_UNSUITABLE',
    `a batch of records in Kafka decompresses to more than ${maxBytes} bytes`,
  );
}
