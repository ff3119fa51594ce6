/** What is shown while the demo runs: a live picture on a terminal, a line every two seconds elsewhere. */
import { styleText } from 'node:util';
import { createLogUpdate } from 'log-update';
import { percentile } from '../harness/percentile.ts';
import { count, milliseconds } from './summary.ts';

export type Snapshot = {
  readonly elapsedMs: number;
  /** The current phase, as `writing 12 s of 30 s`. */
  readonly phase: string;
  readonly writers: number;
  readonly relay: { readonly state: string; readonly pid: number | undefined; readonly kills: number };
  readonly topics: number;
  readonly committed: number;
  readonly published: number;
  readonly outstanding: number;
  readonly rolledBack: number;
  readonly deadLetters: number;
  /** One an event, in the order of arrival. */
  readonly latenciesMs: readonly number[];
  /** The latest events received, newest first. */
  readonly last: readonly string[];
};

export type View = {
  /** Something that happens once, such as a step of the start or a kill. */
  note(line: string): void;
  tick(snapshot: Snapshot): void;
  /** Leaves the last picture on the screen. */
  end(): void;
};

const width = 80;
const pictureIntervalMs = 1_000;
const lineIntervalMs = 2_000;
/** Latency is shown over this many of the latest events: the present, not the past. */
const recentCount = 500;
const sparkSeconds = 40;

/** Rates of the last seconds, from a count that grows. */
class Rates {
  readonly perSecond: number[] = [];
  #atMs = 0;
  #count = 0;

  update(atMs: number, total: number): void {
    if (atMs - this.#atMs < pictureIntervalMs) return;
    this.perSecond.push(((total - this.#count) / (atMs - this.#atMs)) * 1000);
    if (this.perSecond.length > sparkSeconds) this.perSecond.shift();
    this.#atMs = atMs;
    this.#count = total;
  }
}

/** For stderr, pipes and logs. */
export class LineView implements View {
  readonly #write: (text: string) => void;
  #lineAtMs = 0;
  #published = 0;

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  note(line: string): void {
    this.#write(`# ${line}\n`);
  }

  tick(snapshot: Snapshot): void {
    const sinceMs = snapshot.elapsedMs - this.#lineAtMs;
    if (sinceMs < lineIntervalMs) return;
    const rate = Math.round(((snapshot.published - this.#published) / sinceMs) * 1000);
    this.#lineAtMs = snapshot.elapsedMs;
    this.#published = snapshot.published;
    const { relay, phase } = snapshot;
    this.#write(
      `${phase}: ${count(snapshot.committed)} committed, ${count(snapshot.published)} received (${count(rate)}/s), ` +
        `${snapshot.rolledBack} rolled back, ${snapshot.deadLetters} dead letters, relay ${relay.state}, ` +
        `${recentLatency(snapshot)}\n`,
    );
  }

  end(): void {}
}

/** Redraws a few lines in place. */
export class LiveView implements View {
  readonly #stream: NodeJS.WriteStream;
  readonly #update: ReturnType<typeof createLogUpdate>;
  readonly #rates = new Rates();
  #picture = '';

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    this.#update = createLogUpdate(stream);
  }

  note(line: string): void {
    this.#update.clear();
    this.#stream.write(`${styleText('dim', line, { stream: this.#stream })}\n`);
    if (this.#picture !== '') this.#update(this.#picture);
  }

  tick(snapshot: Snapshot): void {
    this.#rates.update(snapshot.elapsedMs, snapshot.published);
    const paint: Paint = (style, text) => styleText(style, text, { stream: this.#stream });
    this.#picture = picture(snapshot, this.#rates.perSecond, paint).join('\n');
    this.#update(this.#picture);
  }

  end(): void {
    this.#update.done();
    this.#picture = '';
  }
}

type Style = 'bold' | 'dim' | 'green' | 'yellow' | 'red' | 'cyan';
type Paint = (style: Style, text: string) => string;

/** The lines of the picture, none wider than 80 columns. */
export function picture(snapshot: Snapshot, rates: readonly number[], paint: Paint): string[] {
  const { relay } = snapshot;
  const isUp = relay.state === 'streaming';
  const boxes = [
    ['orders', `${snapshot.writers} writers`],
    ['Postgres', `${count(snapshot.committed)} events`],
    ['relay', relay.state],
    ['Kafka', `${snapshot.topics} topics`],
    ['consumer', `${count(snapshot.published)} events`],
  ] as const;
  const columns = boxes.map(([name, fact]) => Math.max(name.length, fact.length, 9));
  const names = boxes.map(([name], index) => paint('bold', name.padEnd(columns[index]!)));
  const facts = boxes.map(([name, fact], index) => {
    const text = fact.padEnd(columns[index]!);
    return name === 'relay' ? paint(isUp ? 'green' : 'yellow', text) : paint('dim', text);
  });
  const process = relay.pid === undefined ? 'down' : `pid ${relay.pid}`;
  return [
    '',
    ` ${names.join(paint('dim', ' ─▶ '))}`,
    ` ${facts.join('    ')}`,
    '',
    ` ${paint('dim', 'now       ')} ${snapshot.phase}; relay ${process}${relay.kills === 0 ? '' : `, ${relay.kills} kills`}`,
    ` ${paint('dim', 'in flight ')} ${count(snapshot.outstanding)} events`,
    ` ${paint('dim', 'not sent  ')} ${count(snapshot.rolledBack)} rolled back, ${count(snapshot.deadLetters)} dead letters`,
    ` ${paint('dim', 'latency   ')} ${recentLatency(snapshot)}`,
    ` ${paint('dim', 'events/s  ')} ${paint('cyan', sparkline(rates))} ${count(Math.round(rates.at(-1) ?? 0))}`,
    ...snapshot.last.map(
      (line, index) => ` ${paint('dim', index === 0 ? 'last      ' : '          ')} ${cut(line)}`,
    ),
  ];
}

const bars = '▁▂▃▄▅▆▇█';

/** One bar per value, scaled to the highest. */
export function sparkline(values: readonly number[]): string {
  const highest = Math.max(...values, 1);
  return values.map((value) => bars[Math.round((value / highest) * (bars.length - 1))]).join('');
}

function recentLatency({ latenciesMs }: Snapshot): string {
  const recent = Float64Array.from(latenciesMs.slice(-recentCount)).sort();
  if (recent.length === 0) return 'nothing received yet';
  const text = (share: number) => milliseconds(percentile(recent, share));
  return `p50 ${text(0.5)}, p95 ${text(0.95)}, p99 ${text(0.99)}`;
}

const labelWidth = 12;

function cut(line: string): string {
  const characters = [...line];
  const room = width - labelWidth - 1;
  return characters.length <= room ? line : `${characters.slice(0, room - 1).join('')}…`;
}
