/** Throughput and latency of a run as an SVG that reads on light and dark. Pure. */
import { competitors, type Report } from './report.ts';

const colours = {
  relay: '#2f81f7',
  debezium: '#db6d28',
  'perf-client': '#8b949e',
  pg_recvlogical: '#8b949e',
} as const;
const [width, rowHeight, labelWidth, barWidth] = [720, 30, 190, 360];
const percentiles = [
  ['p50Ms', 'p50'],
  ['p99Ms', 'p99'],
] as const;

type Bar = { readonly label: string; readonly value: number; readonly text: string; readonly colour: string };

export function plot({ drain, live }: Report): string {
  const speeds: Bar[] = competitors.flatMap((name) => {
    const value = drain[name]?.eventsPerSecond.median;
    const text = `${value?.toLocaleString('en-US')} events/s`;
    return value === undefined ? [] : [{ label: name, value, text, colour: colours[name] }];
  });
  const rates = [...new Set(competitors.flatMap((name) => live[name]?.map(({ offered }) => offered) ?? []))];
  const latencies: Bar[] = rates.flatMap((rate) =>
    percentiles.flatMap(([key, percentile]) =>
      competitors.flatMap((name) => {
        const one = live[name]?.find(({ offered }) => offered === rate);
        if (one === undefined) return [];
        const label = `${rate.toLocaleString('en-US')}/s ${percentile} ${name}`;
        return [{ label, value: one[key], text: `${one[key]} ms`, colour: colours[name] }];
      }),
    ),
  );
  const first = section('Drain of a backlog (median; more is better)', speeds, 30);
  const second = section('Commit to receipt (less is better)', latencies, first.end + 30);
  const height = second.end;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="14" role="img" aria-label="Throughput and latency of the relay">
<style>text{fill:#24292f}@media (prefers-color-scheme:dark){text{fill:#e6edf3}}</style>
${[...first.lines, ...second.lines].join('\n')}
</svg>
`;
}

function section(title: string, bars: readonly Bar[], top: number): { lines: string[]; end: number } {
  if (bars.length === 0) return { lines: [], end: top };
  const most = Math.max(...bars.map(({ value }) => value));
  const lines = [`<text x="10" y="${top}" font-weight="600">${title}</text>`];
  for (const [at, { label, value, text, colour }] of bars.entries()) {
    const y = top + 14 + at * rowHeight;
    const long = Math.max(1, Math.round((value / most) * barWidth));
    lines.push(
      `<text x="${labelWidth - 10}" y="${y + 16}" text-anchor="end">${label}</text>`,
      `<rect x="${labelWidth}" y="${y}" width="${long}" height="22" rx="3" fill="${colour}"/>`,
      `<text x="${labelWidth + long + 8}" y="${y + 16}">${text}</text>`,
    );
  }
  return { lines, end: top + 24 + bars.length * rowHeight };
}
