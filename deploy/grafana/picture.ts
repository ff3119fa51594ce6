/**
 * Draws the dashboard as an SVG for docs/guides/dashboard.svg, from the results of its own queries. It is no screenshot of
 * Grafana, which no package registry has: panels, titles, units and queries are those of the dashboard, the drawing is
 * ours. It follows the light or dark colours of the reader. Pure.
 */
import { scaleLinear } from 'd3-scale';
import { line } from 'd3-shape';
import { rows } from './panels.ts';
import type { Colour, Panel, Unit } from './queries.ts';

export type Drawn = {
  readonly name: string;
  readonly points: readonly (readonly [seconds: number, value: number])[];
};

/** Of each panel, by its title within its row. */
export type Results = (row: string, panel: string) => readonly Drawn[];

const [width, gap, titleHeight, rowHeight] = [1280, 8, 22, 30];
const heights = { stat: 76, steps: 84, lines: 190 } as const;
const palette = [
  '#3d71d9',
  '#e0752d',
  '#56a64b',
  '#c4162a',
  '#a352cc',
  '#1f9e9e',
  '#b8860b',
  '#d6336c',
  '#6b7280',
  '#2f81f7',
];
const colours: Readonly<Record<Colour, string>> = {
  green: '#2f9e44',
  yellow: '#d9a400',
  orange: '#e8590c',
  red: '#d6263d',
  blue: '#3d71d9',
};
const namesMax = 6;

type Box = { readonly x: number; readonly y: number; readonly w: number; readonly h: number };

export function picture(
  results: Results,
  range: { readonly fromSeconds: number; readonly toSeconds: number },
): string {
  const parts: string[] = [];
  let y = gap;
  for (const { title, panels } of rows) {
    parts.push(`<text class="row" x="${gap}" y="${y + 20}">${escaped(title)}</text>`);
    y += rowHeight;
    let [column, tallest] = [0, 0];
    for (const panel of panels) {
      const columns = panel.width ?? 6;
      if (column + columns > 24) {
        y += tallest + gap;
        [column, tallest] = [0, 0];
      }
      const h = heights[panel.kind ?? 'lines'];
      const unit = (width - gap) / 24;
      const box = { x: gap + column * unit, y, w: columns * unit - gap, h };
      parts.push(framed(panel, box, results(title, panel.title), range));
      column += columns;
      tallest = Math.max(tallest, h);
    }
    y += tallest + gap * 2;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y}" width="${width}" height="${y}" font-family="system-ui, sans-serif" font-size="12" role="img" aria-label="The dashboard of the relay">
<style>${style}</style>
<rect class="page" width="${width}" height="${y}"/>
${parts.join('\n')}
</svg>
`;
}

const style = `.page{fill:#f4f5f5}.panel{fill:#fff;stroke:#d8dade}text{fill:#24292e}.dim{fill:#6a737d;font-size:10px}.row{font-weight:600;font-size:15px}.title{font-weight:600}.big{font-size:22px;font-weight:600}.grid{stroke:#e4e7ea}path{fill:none;stroke-width:1.4}.in{fill:#fff}
@media (prefers-color-scheme:dark){.page{fill:#0d1117}.panel{fill:#161b22;stroke:#30363d}text{fill:#d8d9da}.dim{fill:#9198a1}.grid{stroke:#2b3138}.in{fill:#fff}}`;

function framed(
  panel: Panel,
  box: Box,
  series: readonly Drawn[],
  range: { readonly fromSeconds: number; readonly toSeconds: number },
): string {
  const inner = { x: box.x + 10, y: box.y + titleHeight + 6, w: box.w - 20, h: box.h - titleHeight - 14 };
  const draw = { stat: number, steps, lines }[panel.kind ?? 'lines'];
  const content =
    series.length === 0
      ? text(inner.x, inner.y + 22, 'dim', emptyText(panel))
      : draw(panel, inner, series, range);
  return `<rect class="panel" x="${r(box.x)}" y="${box.y}" width="${r(box.w)}" height="${box.h}" rx="3"/>${text(box.x + 10, box.y + 17, 'title', panel.title)}${content}`;
}

function emptyText({ queries }: Panel): string {
  return queries.find(({ mayBeEmpty }) => mayBeEmpty !== undefined)?.mayBeEmpty ?? 'none';
}

function number(panel: Panel, { x, y, w }: Box, series: readonly Drawn[]): string {
  const value = series[0]!.points.at(-1)![1];
  const meaning = panel.meanings?.[value];
  const colour = meaning?.colour ?? panel.thresholds?.findLast(([from]) => value >= from)?.[1] ?? 'green';
  const fill = `<rect x="${r(x)}" y="${y - 4}" width="${r(w)}" height="42" rx="3" fill="${colours[colour]}"/>`;
  return `${fill}<text class="big in" x="${r(x + 10)}" y="${y + 25}">${escaped(meaning?.text ?? format(value, panel.unit))}</text>`;
}

function steps(
  panel: Panel,
  { x, y, w }: Box,
  series: readonly Drawn[],
  { fromSeconds, toSeconds }: Span,
): string {
  const at = scaleLinear([fromSeconds, toSeconds], [x + 130, x + w]);
  const barHeight = Math.min(18, 40 / series.length);
  return series
    .map(({ name, points }, index) => {
      const top = y + 4 + index * (barHeight + 3);
      const bars = runsOf(points).map(([from, to, value]) => {
        const { colour = 'blue', text: meaning = '' } = panel.meanings?.[value] ?? {};
        const [left, right] = [at(from), at(to)];
        const label =
          right - left > 60
            ? `<text class="in" x="${r(left + 4)}" y="${r(top + barHeight - 5)}">${meaning}</text>`
            : '';
        return `<rect x="${r(left)}" y="${r(top)}" width="${r(right - left)}" height="${r(barHeight)}" fill="${colours[colour]}"/>${label}`;
      });
      return text(x, top + barHeight - 5, 'dim', name.slice(0, 24)) + bars.join('');
    })
    .join('');
}

function runsOf(points: Drawn['points']): [from: number, to: number, value: number][] {
  const runs: [number, number, number][] = [];
  for (const [at, value] of points) {
    const last = runs.at(-1);
    if (last !== undefined) last[1] = at;
    if (last?.[2] !== value) runs.push([at, at, value]);
  }
  return runs;
}

type Span = { readonly fromSeconds: number; readonly toSeconds: number };

function lines(
  panel: Panel,
  { x, y, w, h }: Box,
  series: readonly Drawn[],
  { fromSeconds, toSeconds }: Span,
): string {
  const values = series.flatMap(({ points }) => points.map(([, value]) => value)).filter(Number.isFinite);
  const most = Math.max(...values, 0) || 1;
  const legendHeight = 14 * Math.ceil(Math.min(series.length, namesMax) / 3);
  const [left, bottom] = [x + 52, y + h - legendHeight - 20];
  const across = scaleLinear([fromSeconds, toSeconds], [left, x + w]);
  const up = scaleLinear([0, most], [bottom, y]).nice(4);
  const grid = up.ticks(4).map((tick) => {
    const at = r(up(tick));
    return `<line class="grid" x1="${r(left)}" x2="${r(x + w)}" y1="${at}" y2="${at}"/>${text(x, up(tick) + 3, 'dim', format(tick, panel.unit))}`;
  });
  const seconds = [0, 0.5, 1].map((part) => fromSeconds + part * (toSeconds - fromSeconds));
  const times = seconds.map((at, index) =>
    text(across(at) - index * 16, bottom + 13, 'dim', `${Math.round(at - toSeconds)} s`),
  );
  const path = line<readonly [number, number]>()
    .defined(([, value]) => Number.isFinite(value))
    .x(([at]) => across(at))
    .y(([, value]) => up(value))
    .digits(1);
  const paths = series.map(
    ({ points }, index) => `<path stroke="${palette[index % palette.length]}" d="${path(points) ?? ''}"/>`,
  );
  const legend = series.slice(0, namesMax).map(({ name }, index) => {
    const [lx, ly] = [x + (index % 3) * (w / 3), y + h - legendHeight + 10 + Math.floor(index / 3) * 14];
    const shown =
      series.length > namesMax && index === namesMax - 1 ? `and ${series.length - namesMax + 1} more` : name;
    return `<rect x="${r(lx)}" y="${r(ly - 8)}" width="10" height="3" fill="${palette[index % palette.length]}"/>${text(lx + 14, ly - 3, 'dim', shown.slice(0, Math.floor(w / 3 / 6) - 2))}`;
  });
  return [...grid, ...times, ...paths, ...legend].join('');
}

const r = (value: number) => String(Math.round(value * 10) / 10);
const text = (x: number, y: number, kind: string, content: string) =>
  `<text class="${kind}" x="${r(x)}" y="${r(y)}">${escaped(content)}</text>`;
const escaped = (content: string) => content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

const scaled = (value: number, base: number, units: readonly string[]) => {
  let [left, index] = [value, 0];
  while (Math.abs(left) >= base && index < units.length - 1) {
    left /= base;
    index += 1;
  }
  return `${Number(left.toPrecision(3))} ${units[index]}`.trim();
};

/** As Grafana does with the unit. */
export function format(value: number, unit: Unit): string {
  switch (unit) {
    case 's':
      if (value === 0) return '0 s';
      if (Math.abs(value) < 1) return scaled(value * 1e6, 1_000, ['µs', 'ms']);
      return Math.abs(value) < 120
        ? `${Number(value.toPrecision(3))} s`
        : scaled(value / 60, 60, ['min', 'h']);
    case 'bytes':
      return scaled(value, 1_024, ['B', 'KiB', 'MiB', 'GiB', 'TiB']);
    case 'Bps':
      return scaled(value, 1_000, ['B/s', 'kB/s', 'MB/s', 'GB/s']);
    case 'percentunit':
      return `${Number((value * 100).toPrecision(3))} %`;
    case 'reqps':
      return `${scaled(value, 1_000, ['', 'K', 'M'])}/s`;
    case 'h':
      return `${Number(value.toPrecision(3))} h`;
    default:
      return scaled(value, 1_000, ['', 'K', 'M', 'G']);
  }
}
