/**
 * Lets kafkajs consumers read lz4, the relay's default, with the lines that docs/guides/kafka.md gives to everybody. Where
 * the relay's own codecs are loaded in the same process, these stay.
 */
import kafkajs from 'kafkajs';
import { compressFrame, decompressFrame } from 'lz4-napi';

const { CompressionCodecs, CompressionTypes } = kafkajs;
const codecs: Record<number, () => unknown> = CompressionCodecs;

function isKnown(codec: number): boolean {
  try {
    codecs[codec]!();
    return true;
  } catch {
    return false; // kafkajs's own entry says that it is not implemented
  }
}

if (!isKnown(CompressionTypes.LZ4))
  codecs[CompressionTypes.LZ4] = () => ({
    compress: ({ buffer }: { readonly buffer: Buffer }) => compressFrame(buffer),
    decompress: (buffer: Buffer) => decompressFrame(buffer),
  });
