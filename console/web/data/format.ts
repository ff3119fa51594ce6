/** How numbers, sizes and times are written. Pure. */

const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 3 });

export const unknown = '–';

export const count = (value: number | null | undefined): string =>
  value == null ? unknown : whole.format(value);

/** Three digits below a thousand, whole above. */
export const figure = (value: number | null | undefined): string =>
  value == null ? unknown : Math.abs(value) >= 1_000 ? whole.format(value) : fine.format(value);

export function bytes(value: number | null | undefined): string {
  if (value == null) return unknown;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let rest = value;
  let unit = 0;
  while (Math.abs(rest) >= 1_024 && unit < units.length - 1) {
    rest /= 1_024;
    unit++;
  }
  return `${unit === 0 ? whole.format(rest) : fine.format(rest)} ${units[unit]}`;
}

const minute = [60, 'min'] as const;
const coarse = [[86_400, 'd'], [3_600, 'h'], minute] as const;

/** A measured time: of a few minutes the seconds count. */
export const milliseconds = (value: number | null | undefined): string =>
  value == null
    ? unknown
    : value >= 1_000
      ? duration(value / 1_000, [...coarse, [1, 's']])
      : `${fine.format(value)} ms`;

/** An age, or how long something will take: in whole minutes, once it is one. */
export const seconds = (value: number | null | undefined): string =>
  value == null ? unknown : duration(value, coarse);

function duration(value: number, steps: readonly (readonly [size: number, unit: string])[]): string {
  if (value < minute[0]) return `${fine.format(value)} s`;
  const index = steps.findIndex(([size]) => value >= size);
  const [size, unit] = steps[index]!;
  const next = steps[index + 1];
  const head = Math.floor(value / size);
  const rest = next === undefined ? 0 : Math.floor((value - head * size) / next[0]);
  return rest === 0 || head >= 10 ? `${head} ${unit}` : `${head} ${unit} ${rest} ${next![1]}`;
}

export const percent = (share: number | null | undefined): string =>
  share == null ? unknown : `${fine.format(share * 100)} %`;

/** The verb of so many: `agree(1, 'was', 'were')`. */
export const agree = (value: number, one: string, many: string): string => (value === 1 ? one : many);

/** `1 event`, `2 events`. */
export const counted = (value: number, what: string): string =>
  `${count(value)} ${what}${value === 1 ? '' : 's'}`;

const clock = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});
const dated = new Intl.DateTimeFormat(undefined, {
  month: 'short',
  day: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});
const years = new Intl.DateTimeFormat(undefined, {
  dateStyle: 'medium',
  timeStyle: 'medium',
  hourCycle: 'h23',
});

/** In the zone of the viewer: the clock alone today, with the date otherwise. */
export function localTime(iso: string, nowMs = Date.now()): string {
  const time = new Date(iso);
  const now = new Date(nowMs);
  if (time.toDateString() === now.toDateString()) return clock.format(time);
  return time.getFullYear() === now.getFullYear() ? dated.format(time) : years.format(time);
}

export const utc = (iso: string): string =>
  `${new Date(iso).toISOString().replace('T', ' ').replace('Z', '')} UTC`;
