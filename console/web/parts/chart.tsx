/** A chart over time. uPlot draws it; what it shows is said in words too. */
import { type KeyboardEvent, useEffect, useId, useRef, useState } from 'react';
import '../data/language.ts';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import './chart.css';
import { byServer } from '../data/clock.ts';
import { localTime } from '../data/format.ts';
import { incrementsOf, nearest, type Unit } from './ticks.ts';

export type Line = {
  readonly label: string;
  readonly values: readonly (number | null)[];
  /** A custom property, such as `--chart-1`. */
  readonly color: string;
  /** A limit: drawn dashed. */
  readonly isLimit?: boolean;
};

export type ChartProps = {
  readonly title: string;
  readonly seconds: readonly number[];
  readonly lines: readonly Line[];
  readonly format: (value: number | null) => string;
  /** Lines of the axis stand at round values of it. */
  readonly unit?: Unit;
  /** At most of the time axis, in seconds. It ends now, and begins where something is known. */
  readonly spanSeconds: number;
  /** What is said in place of lines where there is no value. */
  readonly nothing: string;
};

const height = 150;

export function Chart({ title, seconds, lines, format, unit = 'number', spanSeconds, nothing }: ChartProps) {
  const ref = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const formatRef = useRef(format);
  formatRef.current = format;
  const span = useRef(spanSeconds);
  span.current = spanSeconds;
  const shape = lines.map(({ label, color, isLimit }) => `${label}|${color}|${isLimit === true}`).join();
  const id = useId();
  /** The time that is pointed at, in seconds; it stays with its point while others come. */
  const [pointed, setPointed] = useState<number | null>(null);
  const index = pointed === null ? undefined : nearest(seconds, pointed);
  const shown = index ?? seconds.length - 1;
  const pointAt = (to: number) => {
    const at = seconds[Math.max(0, Math.min(seconds.length - 1, to))];
    if (at === undefined || plot.current === undefined) return;
    setPointed(at);
    plot.current.setCursor({ left: plot.current.valToPos(at, 'x'), top: 0 }, false);
  };
  const onKey = (event: KeyboardEvent) => {
    const to = keys[event.key]?.(shown, seconds.length);
    if (to === undefined) return;
    event.preventDefault();
    pointAt(to);
  };
  const leave = () => {
    setPointed(null);
    plot.current?.setCursor({ left: -10, top: -10 }, false);
  };

  // biome-ignore lint/correctness/useExhaustiveDependencies: the data has an effect of its own
  useEffect(() => {
    const element = ref.current!;
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const draw = () => {
      plot.current?.destroy();
      const style = getComputedStyle(element);
      const color = (name: string) => style.getPropertyValue(name).trim();
      const axis = {
        stroke: color('--text-quiet'),
        grid: { stroke: color('--line'), width: 1 },
        ticks: { show: false },
        font: '11px system-ui, sans-serif',
      };
      plot.current = new uPlot(
        {
          width: element.clientWidth,
          height,
          legend: { show: false },
          padding: [8, 16, 0, 0],
          cursor: { y: false, drag: { x: false, y: false } },
          hooks: {
            setCursor: [
              ({ cursor: { left = -1 }, posToVal }) => setPointed(left < 0 ? null : posToVal(left, 'x')),
            ],
          },
          scales: {
            x: { range: (plotted) => rangeOf(plotted.data[0][0], span.current) },
            y: { range: (_, __, max) => [0, max === null || max <= 0 ? 1 : max * 1.1] },
          },
          axes: [
            {
              ...axis,
              space: 80,
              incrs: wholeMinutes,
              size: 24,
              values: [[1, '{HH}:{mm}', null, null, null, null, null, null, 1]],
            },
            {
              ...axis,
              size: 64,
              incrs: incrementsOf(unit),
              values: (_, ticks) => ticks.map((tick) => formatRef.current(tick)),
            },
          ],
          series: [
            {},
            ...lines.map(({ label, color: name, isLimit }) => ({
              label,
              stroke: color(name),
              width: isLimit === true ? 1 : 1.5,
              ...(isLimit === true ? { dash: [6, 4] } : { fill: `${color(name)}1a` }),
              points: { show: false },
              spanGaps: false,
            })),
          ],
        },
        dataOf(seconds, lines),
        element,
      );
    };
    draw();
    const resize = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height }));
    resize.observe(element);
    dark.addEventListener('change', draw);
    return () => {
      dark.removeEventListener('change', draw);
      resize.disconnect();
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [shape]);

  useEffect(() => {
    plot.current?.setData(dataOf(seconds, lines));
  }, [seconds, lines]);

  const isEmpty = lines.every(({ values: of }) => of.every((value) => value === null));
  const values = lines.map(({ label, values: of }) => `${label} ${format(of[shown] ?? null)}`).join(', ');
  const time = index === undefined ? '' : localTime(new Date(seconds[index]! * 1_000).toISOString());
  return (
    <figure className="chart" aria-labelledby={id}>
      <figcaption id={id}>
        <span>{title}</span>
        <span className="legend">
          {time !== '' && <span>{time}</span>}
          {lines.map(({ label, values: of, color, isLimit }) => (
            <span key={label}>
              <i className={isLimit === true ? 'limit' : ''} style={{ background: `var(${color})` }} />
              {label} <b>{format(of[shown] ?? null)}</b>
            </span>
          ))}
        </span>
      </figcaption>
      <div
        ref={ref}
        role="slider"
        tabIndex={0}
        aria-label={`${title}: arrow keys go through time`}
        aria-valuemin={0}
        aria-valuemax={Math.max(0, seconds.length - 1)}
        aria-valuenow={Math.max(0, shown)}
        aria-valuetext={`${time === '' ? 'now' : time}: ${values}`}
        onKeyDown={onKey}
        onBlur={leave}
        style={{ height }}
      />
      {isEmpty && (
        <p className="nothing quiet">
          <span>{nothing}</span>
        </p>
      )}
    </figure>
  );
}

/** Seconds; the axis shows no part of a minute. */
const wholeMinutes = [1, 2, 5, 10, 15, 30, 60, 120].map((minutes) => minutes * 60);

/** Less would make a wave of every tremble. */
const spanSecondsMin = 120;

function rangeOf(first: number | undefined, spanSeconds: number): [number, number] {
  const now = byServer(Date.now()) / 1_000;
  return [Math.max(now - spanSeconds, Math.min(first ?? 0, now - spanSecondsMin)), now];
}

const keys: Readonly<Record<string, (index: number, count: number) => number>> = {
  ArrowLeft: (index) => index - 1,
  ArrowRight: (index) => index + 1,
  PageUp: (index) => index - 12,
  PageDown: (index) => index + 12,
  Home: () => 0,
  End: (_, count) => count - 1,
};

function dataOf(seconds: readonly number[], lines: readonly Line[]): uPlot.AlignedData {
  return [[...seconds], ...lines.map(({ values }) => [...values])];
}
