/**
 * What rows of panels consist of, and the queries that many of them share. The names of metrics come from the relay's own
 * table, so that a metric that is renamed does not compile here.
 */
import type { Metrics } from '../../relay/observe/metrics.ts';

type MetricName = keyof Metrics['counter'] | keyof Metrics['gauge'] | keyof Metrics['histogram'];

/** Units as Grafana names them. */
export type Unit = 's' | 'bytes' | 'Bps' | 'short' | 'reqps' | 'percentunit' | 'h' | 'none';

export type Query = {
  readonly expr: string;
  /** `{{topic}}` is replaced by the label. */
  readonly legend: string;
  /** Why a relay under load may have no such series. Every other query has a result, which a test checks. */
  readonly mayBeEmpty?: string;
};

export type Panel = {
  readonly title: string;
  readonly about: string;
  readonly unit: Unit;
  /** `stat` is one number now, `steps` holds one colour for each value over time; all others are lines. */
  readonly kind?: 'stat' | 'steps';
  /** By value, what a `stat` or `steps` shows. */
  readonly meanings?: Readonly<Record<number, { readonly text: string; readonly colour: Colour }>>;
  /** From which value on a `stat` has which colour; green below the first. */
  readonly thresholds?: readonly (readonly [from: number, colour: Colour])[];
  /** Of 24. */
  readonly width?: number;
  readonly queries: readonly Query[];
};

export type Colour = 'green' | 'yellow' | 'orange' | 'red' | 'blue';

export type Row = { readonly title: string; readonly panels: readonly Panel[] };

/** @param labels as `state="streaming"`, beside those of the variables */
export function of(name: MetricName, labels = ''): string {
  return series(`outbox_relay_${name}`, labels);
}

export function bucketOf(name: keyof Metrics['histogram'], labels = ''): string {
  return series(`outbox_relay_${name}_bucket`, labels);
}

/** Of the process, which prom-client reports. */
export function series(name: string, labels = ''): string {
  return `${name}{slot=~"$slot"${labels === '' ? '' : `, ${labels}`}}`;
}

export const rate = (what: string) => `rate(${what}[$__rate_interval])`;

/** Several relays of a slot are scraped, and only the one that streams knows such a gauge. */
export const now = (name: MetricName, legend = '{{slot}}', by = 'slot'): Query => ({
  expr: `max by (${by}) (${of(name)})`,
  legend,
});

export const quantiles = (name: keyof Metrics['histogram'], quantile: readonly string[]): Query[] =>
  quantile.map((q) => ({
    expr: `histogram_quantile(${q}, sum by (le) (${rate(bucketOf(name))}))`,
    legend: `p${q.slice(2).padEnd(2, '0')}`,
  }));

export const because = (mayBeEmpty: string, queries: readonly Query[]): Query[] =>
  queries.map((query) => ({ ...query, mayBeEmpty }));

/** A number for each value of a label, whose series is 1 while it has that value. */
export const numbered = (name: MetricName, label: string, values: readonly string[], by: string) =>
  values
    .map((value, number) => `max by (${by}) ((${of(name, `${label}="${value}"`)} == 1) * ${number})`)
    .join(' or ');

export const meaningsOf = (colourOf: Readonly<Record<string, Colour>>) =>
  Object.fromEntries(Object.entries(colourOf).map(([text, colour], number) => [number, { text, colour }]));
