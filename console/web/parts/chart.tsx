/** A chart over time. uPlot draws it; what it shows is said in words too. */
import { useEffect, useId, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

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
  /** Of the time axis, in seconds: it ends now, however much is known. */
  readonly spanSeconds: number;
};

const height = 150;

export function Chart({ title, seconds, lines, format, spanSeconds }: ChartProps) {
  const ref = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const formatRef = useRef(format);
  formatRef.current = format;
  const span = useRef(spanSeconds);
  span.current = spanSeconds;
  const shape = lines.map(({ label, color, isLimit }) => `${label}|${color}|${isLimit === true}`).join();
  const id = useId();

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
          cursor: { drag: { x: false, y: false } },
          scales: {
            x: { range: () => [Date.now() / 1_000 - span.current, Date.now() / 1_000] },
            y: { range: (_, __, max) => [0, max === null || max <= 0 ? 1 : max * 1.1] },
          },
          axes: [
            {
              ...axis,
              space: 80,
              size: 24,
              values: [[1, '{HH}:{mm}', null, null, null, null, null, null, 1]],
            },
            { ...axis, size: 64, values: (_, ticks) => ticks.map((tick) => formatRef.current(tick)) },
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

  return (
    <figure className="chart" aria-labelledby={id}>
      <figcaption id={id}>
        <span>{title}</span>
        <span className="legend">
          {lines.map(({ label, values, color, isLimit }) => (
            <span key={label}>
              <i className={isLimit === true ? 'limit' : ''} style={{ background: `var(${color})` }} />
              {label} <b>{format(values.at(-1) ?? null)}</b>
            </span>
          ))}
        </span>
      </figcaption>
      <div ref={ref} aria-hidden="true" style={{ height }} />
    </figure>
  );
}

function dataOf(seconds: readonly number[], lines: readonly Line[]): uPlot.AlignedData {
  return [[...seconds], ...lines.map(({ values }) => [...values])];
}
