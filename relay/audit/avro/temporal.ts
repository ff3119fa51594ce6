/** What texts of dates and times mean, in the units of Avro's logical types. Shares nothing with the relay's own reader. */

const dayMs = 86_400_000;
const secondsPerDay = 86_400n;

/** Days since 1970-01-01; undefined for a day that does not exist. */
export function daysOf(text: string): bigint | undefined {
  const match = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text);
  if (match === null) return undefined;
  const [year, month, day] = match.slice(1).map(Number) as [number, number, number];
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  return BigInt(date.getTime() / dayMs);
}

/** Units of 10^-`digits` seconds since midnight. */
export function timeOf(text: string, digits: number): bigint | undefined {
  const match = /^(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?$/.exec(text);
  if (match === null) return undefined;
  const [hour, minute, second] = [match[1]!, match[2]!, match[3] ?? '0'].map(Number) as [
    number,
    number,
    number,
  ];
  const fraction = (match[4] ?? '').padEnd(digits, '0');
  const isExact = !/[^0]/.test(fraction.slice(digits));
  if (hour > 23 || minute > 59 || second > 59 || !isExact) return undefined;
  const whole = BigInt((hour * 60 + minute) * 60 + second) * 10n ** BigInt(digits);
  return whole + BigInt(fraction.slice(0, digits) || '0');
}

/** Units of 10^-`digits` seconds since 1970-01-01, of an instant (with an offset) or of a local time (without one). */
export function timestampOf(text: string, digits: number, isLocal: boolean): bigint | undefined {
  const match = /^(\d{4}-\d\d-\d\d)[Tt ]([\d:.]+)(.*)$/s.exec(text);
  if (match === null) return undefined;
  const days = daysOf(match[1]!);
  const time = timeOf(match[2]!, digits);
  const offset = isLocal ? (match[3] === '' ? 0n : undefined) : offsetSeconds(match[3]!);
  if (days === undefined || time === undefined || offset === undefined) return undefined;
  return (days * secondsPerDay - offset) * 10n ** BigInt(digits) + time;
}

/** East of UTC. */
function offsetSeconds(text: string): bigint | undefined {
  if (text === 'Z' || text === 'z') return 0n;
  const match = /^([+-])(\d\d)(?::?(\d\d))?$/.exec(text);
  if (match === null) return undefined;
  const seconds = BigInt((Number(match[2]) * 60 + Number(match[3] ?? 0)) * 60);
  return match[1] === '-' ? -seconds : seconds;
}

/** Months, days and milliseconds of an ISO 8601 duration. */
export function durationOf(text: string): readonly [bigint, bigint, bigint] | undefined {
  const match =
    /^P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d+))?S)?)?$/.exec(
      text,
    );
  if (match === null) return undefined;
  const part = (index: number) => BigInt(match[index] ?? 0);
  const fraction = (match[8] ?? '').padEnd(3, '0');
  if (/[^0]/.test(fraction.slice(3))) return undefined;
  const seconds = (part(5) * 60n + part(6)) * 60n + part(7);
  return [part(1) * 12n + part(2), part(3) * 7n + part(4), seconds * 1_000n + BigInt(fraction.slice(0, 3))];
}
