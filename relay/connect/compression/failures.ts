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

export function zstdMissing(): RelayError {
  return new RelayError(
    'KAFKA_UNSUITABLE',
    `a record batch in Kafka is compressed with zstd, which needs Node 22.15 or newer; this is ${process.version}`,
  );
}
