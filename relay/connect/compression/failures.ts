/** Owns the errors of decompression. Both stop the reader, because it must not skip a batch that it cannot read. */
import { RelayError } from '../../errors.ts';

export function corrupt(cause?: unknown): RelayError {
  return new RelayError('KAFKA_UNSUITABLE', 'a record batch in Kafka cannot be decompressed', { cause });
}

export function batchTooLarge(maxBytes: number): RelayError {
  return new RelayError(
    'KAFKA_UNSUITABLE',
    `a record batch in Kafka decompresses to more than ${maxBytes} bytes`,
  );
}
