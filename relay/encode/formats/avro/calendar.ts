/**
 * Reads ISO 8601 dates and times into whole units, without `Date`, which loses microseconds and reads 30 February as
 * 1 March. Every function is pure; NaN means that the text does not fit.
 *
 * Dates are `YYYY-MM-DD` in the proleptic Gregorian calendar, times `hh:mm[:ss[.fraction]]`, offsets `Z`, `±hh`,
 * `±hhmm` or `±hh:mm`; `T` may be a space, as Postgres writes it. No leap second, no 24:00.
 */

const secondsPerDay = 86_400;
const dateLength = 10;
const monthLengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Days since 1970-01-01; the text must be a date and nothing else. */
export function parseDate(text: string): number {
  return text.length === dateLength ? dateAt(text) : Number.NaN;
}

/** Units of 10^-`unitDigits` seconds since midnight; the text must be a time of day and nothing else. */
export function parseTime(text: string, unitDigits: number): number {
  return timeAt(text, 0, text.length, unitDigits);
}

/** A date and time: `days` since 1970-01-01 and `units` since that midnight, which may leave the day by the offset. */
export interface Instant {
  days: number;
  units: number;
}

// One object for all calls, so that the hot path allocates nothing; callers read it before the next call.
const instant: Instant = { days: 0, units: 0 };

/** With an offset (an instant) or without (a local time); `undefined` if the text is anything else. */
export function parseTimestamp(text: string, unitDigits: number, isLocal: boolean): Instant | undefined {
  const separator = text.charCodeAt(dateLength);
  // T, t, space
  if (separator !== 84 && separator !== 116 && separator !== 32) return undefined;
  const offsetStart = isLocal ? text.length : findOffset(text);
  const offsetSeconds = isLocal ? 0 : offsetAt(text, offsetStart);
  instant.days = dateAt(text);
  instant.units = timeAt(text, dateLength + 1, offsetStart, unitDigits) - offsetSeconds * 10 ** unitDigits;
  return Number.isNaN(instant.days + instant.units) ? undefined : instant;
}

export function unitsPerDay(unitDigits: number): number {
  return secondsPerDay * 10 ** unitDigits;
}

function dateAt(text: string): number {
  if (text.charCodeAt(4) !== 45 || text.charCodeAt(7) !== 45) return Number.NaN;
  const year = twoDigits(text, 0) * 100 + twoDigits(text, 2);
  const month = twoDigits(text, 5);
  const day = twoDigits(text, 8);
  const isLeapDay = month === 2 && day === 29 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const isDay = year >= 0 && month >= 1 && month <= 12 && day >= 1;
  if (!isDay || (day > (monthLengths[month - 1] ?? 0) && !isLeapDay)) return Number.NaN;
  return daysSinceEpoch(year, month, day);
}

/** Years are counted from March, so that the leap day is the last of its year; 719,468 days lie before 1970. */
function daysSinceEpoch(year: number, month: number, day: number): number {
  const marchYear = month > 2 ? year : year - 1;
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  const leapDays = Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400);
  return marchYear * 365 + leapDays + dayOfYear - 719_468;
}

function timeAt(text: string, start: number, end: number, unitDigits: number): number {
  if (end - start < 5 || text.charCodeAt(start + 2) !== 58) return Number.NaN;
  const hour = twoDigits(text, start);
  const minute = twoDigits(text, start + 3);
  let second = 0;
  let units = 0;
  if (end > start + 5) {
    if (text.charCodeAt(start + 5) !== 58) return Number.NaN;
    second = end >= start + 8 ? twoDigits(text, start + 6) : Number.NaN;
    if (end > start + 8) units = fractionAt(text, start + 8, end, unitDigits);
  }
  if (!(hour < 24 && minute < 60 && second < 60)) return Number.NaN;
  return ((hour * 60 + minute) * 60 + second) * 10 ** unitDigits + units;
}

/** `.123` in units; digits beyond the unit must be zeros. */
function fractionAt(text: string, start: number, end: number, unitDigits: number): number {
  const digits = end - start - 1;
  if (text.charCodeAt(start) !== 46 || digits < 1) return Number.NaN;
  let units = 0;
  for (let i = 0; i < Math.max(digits, unitDigits); i++) {
    const digit = i < digits ? text.charCodeAt(start + 1 + i) - 48 : 0;
    if (!(digit >= 0 && digit <= 9) || (i >= unitDigits && digit !== 0)) return Number.NaN;
    if (i < unitDigits) units = units * 10 + digit;
  }
  return units;
}

/** Where the offset starts, or the end of the text. The shortest time ends at 16. */
function findOffset(text: string): number {
  let at = 16;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    // Z, z, +, -
    if (code === 90 || code === 122 || code === 43 || code === 45) break;
  }
  return at;
}

/** Seconds east of UTC. */
function offsetAt(text: string, start: number): number {
  const code = text.charCodeAt(start);
  if (code === 90 || code === 122) return start === text.length - 1 ? 0 : Number.NaN;
  const hasColon = text.charCodeAt(start + 3) === 58;
  const minuteStart = start + (hasColon ? 4 : 3);
  const hasMinutes = hasColon || text.length > minuteStart;
  if (text.length !== (hasMinutes ? minuteStart + 2 : minuteStart)) return Number.NaN;
  const hours = twoDigits(text, start + 1);
  const minutes = hasMinutes ? twoDigits(text, minuteStart) : 0;
  if (!(hours < 24 && minutes < 60)) return Number.NaN;
  return (code === 45 ? -1 : 1) * (hours * 60 + minutes) * 60;
}

function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - 48;
  const ones = text.charCodeAt(at + 1) - 48;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
}
