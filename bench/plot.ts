/** The comparison as an SVG that reads on light and dark: speed, whole cost and latency. Pure. */
import { commonRates } from './plan.ts';
import { type Competitor, competitors, contenders, type Report, type Spread, titles } from './report.ts';

const colours: Readonly<Record<Competitor, string>> = {
  relay: '#2f81f7',
  'relay-json': '#2f81f7',
  debezium: '#db6d28',
  'debezium-avro': '#db6d28',
  'debezium-default': '#db6d28',
  'perf-client': '#8b949e',
  pg_recvlogical: '#8b949e',
};
/** From the one that is measured to those that serve it. */
const parts = [
  ['own', 1, 'its own process'],
  ['walsender', 0.6, 'walsender'],
  ['broker', 0.3, 'broker'],
] as const;
const [width, rowHeight, labelWidth, barWidth] = [760, 30, 220, 360];

/** Bars that lie behind each other in one row. */
type Bar = {
  readonly label: string;
  readonly pieces: readonly { readonly value: number; readonly opacity: number }[];
  readonly spread: Spread | null;
  readonly text: string;
  readonly colour: string;
};

export function plot({ drain, live }: Report): string {
  // The perf client writes several times what a slot delivers: beside it, no other bar could be told from another.
  const shown = competitors.filter((name) => name !== 'perf-client');
  const speeds = shown.flatMap((name): Bar[] => {
    const speed = drain[name]?.eventsPerSecond;
    if (speed === undefined) return [];
    return [bar(name, speed.median, `${Math.round(speed.median).toLocaleString('en-US')} events/s`, speed)];
  });
  const costs = contenders.flatMap((name): Bar[] => {
    const cost = drain[name]?.cost;
    const whole = cost?.whole;
    if (cost === undefined || whole === null || whole === undefined) return [];
    const pieces = parts.map(([part, opacity]) => ({ value: cost[part]?.median ?? 0, opacity }));
    return [{ ...bar(name, whole.median, `${whole.median} µs`, null), pieces }];
  });
  const rate = commonRates[0];
  const latencies = (key: 'p50Ms' | 'p99Ms') =>
    contenders.flatMap((name): Bar[] => {
      const one = live[name]?.find(({ offered }) => offered === rate);
      return one === undefined ? [] : [bar(name, one[key], `${one[key]} ms`, null)];
    });
  const offered = rate.toLocaleString('en-US');
  let end = 0;
  const lines: string[] = [];
  for (const [title, bars] of [
    ['Drain of a backlog: median, and the range of the rounds (more is better)', speeds],
    [`CPU of an event: ${parts.map(([, , name]) => name).join(' + ')} (less is better)`, costs],
    [`Commit to receipt at ${offered} events/s, p50 (less is better)`, latencies('p50Ms')],
    [`Commit to receipt at ${offered} events/s, p99 (less is better)`, latencies('p99Ms')],
  ] as const) {
    const drawn = section(title, bars, end + 30);
    lines.push(...drawn.lines);
    end = drawn.end;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${end}" width="${width}" height="${end}" font-family="system-ui, sans-serif" font-size="14" role="img" aria-label="Speed, whole cost and latency of the relay and of Debezium">
<style>text{fill:#24292f}.range{stroke:#24292f}@media (prefers-color-scheme:dark){text{fill:#e6edf3}.range{stroke:#e6edf3}}</style>
${lines.join('\n')}
</svg>
`;
}

function bar(name: Competitor, value: number, text: string, spread: Spread | null): Bar {
  return { label: titles[name], pieces: [{ value, opacity: 1 }], spread, text, colour: colours[name] };
}

function section(title: string, bars: readonly Bar[], top: number): { lines: string[]; end: number } {
  if (bars.length === 0) return { lines: [], end: top - 30 };
  const lengthOf = ({ pieces, spread }: Bar) =>
    Math.max(
      spread?.max ?? 0,
      pieces.reduce((sum, { value }) => sum + value, 0),
    );
  const most = Math.max(...bars.map(lengthOf));
  const scale = (value: number) => Math.round((value / most) * barWidth);
  const lines = [`<text x="10" y="${top}" font-weight="600">${title}</text>`];
  for (const [at, each] of bars.entries()) {
    const y = top + 14 + at * rowHeight;
    lines.push(`<text x="${labelWidth - 10}" y="${y + 16}" text-anchor="end">${each.label}</text>`);
    let x = labelWidth;
    for (const { value, opacity } of each.pieces) {
      const long = Math.max(1, scale(value));
      const faint = opacity === 1 ? '' : ` fill-opacity="${opacity}"`;
      lines.push(`<rect x="${x}" y="${y}" width="${long}" height="22" fill="${each.colour}"${faint}/>`);
      x += long;
    }
    const { spread } = each;
    if (spread !== null && spread.max > spread.min) {
      const [from, to] = [labelWidth + scale(spread.min), labelWidth + scale(spread.max)];
      lines.push(
        `<path class="range" d="M${from} ${y + 11}H${to}M${from} ${y + 6}v10M${to} ${y + 6}v10" fill="none"/>`,
      );
      x = Math.max(x, to);
    }
    lines.push(`<text x="${x + 8}" y="${y + 16}">${each.text}</text>`);
  }
  return { lines, end: top + 24 + bars.length * rowHeight };
}
