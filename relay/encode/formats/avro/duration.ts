/**
 * Owns Avro's duration, a fixed of twelve bytes: months, days and milliseconds, each an unsigned 32-bit integer. Takes
 * only ISO 8601 durations (`P1Y2M3DT4H5M6.789S`, `P2W`): a single number would have no unit. A year is twelve months and
 * a week seven days; nothing else is converted between the three.
 */
import type { ByteSink } from '../byte-sink.ts';
import { describe } from '../mismatch.ts';
import { type Codec, leaf } from './codec.ts';

export const durationSizeBytes = 12;
const partMax = 2 ** 32 - 1;
// At most ten digits per part: more would be out of range, and the sums below stay safe integers.
const pattern =
  /^P(?=.)(?:(\d{1,10})Y)?(?:(\d{1,10})M)?(?:(\d{1,10})W)?(?:(\d{1,10})D)?(?:T(?=.)(?:(\d{1,10})H)?(?:(\d{1,10})M)?(?:(\d{1,10})(?:\.(\d{1,3})0*)?S)?)?$/;

export const duration: Codec = leaf('duration (ISO 8601)', ['string'], writeDuration, (value) =>
  typeof value === 'string' ? 'string with a different format, precision or range' : describe(value),
);

function writeDuration(value: unknown, sink: ByteSink): boolean {
  const match = typeof value === 'string' ? pattern.exec(value) : null;
  if (match === null) return false;
  const [years, months, weeks, days, hours, minutes, seconds] = match
    .slice(1, 8)
    .map((part) => Number(part ?? 0));
  const monthCount = years! * 12 + months!;
  const dayCount = weeks! * 7 + days!;
  const milliseconds =
    ((hours! * 60 + minutes!) * 60 + seconds!) * 1000 + Number((match[8] ?? '').padEnd(3, '0'));
  if (monthCount > partMax || dayCount > partMax || milliseconds > partMax) return false;
  sink.writeUint32(monthCount);
  sink.writeUint32(dayCount);
  sink.writeUint32(milliseconds);
  return true;
}
