/** Throughput, latency, lag and WAL over the last minutes or hours. */
import { useQuery } from '@tanstack/react-query';
import { useEffect, useMemo, useRef, useState } from 'react';
import { useSearchParams } from 'wouter';
import type { Points } from '../../../server/live/history.ts';
import { api, ask } from '../../data/api.ts';
import { bytes, figure, milliseconds } from '../../data/format.ts';
import { useLive } from '../../data/live.ts';
import { Card, QueryFailure } from '../../parts/basics.tsx';
import { Chart } from '../../parts/chart.tsx';

const spans = [
  ['15 min', 900],
  ['1 h', 3_600],
  ['6 h', 21_600],
] as const;

export function Charts() {
  const [search, setSearch] = useSearchParams();
  const asked = Number(search.get('span'));
  const span = spans.find(([, value]) => value === asked)?.[1] ?? 900;
  const { points, history } = usePoints(span);
  const { series, seconds } = points;
  const charts = useMemo(() => {
    const isAsked = series.eventsPerSecond.some((value) => value !== null);
    const nothing = isAsked ? 'Not known in this time.' : 'No figures yet. The relays are asked every 5 s.';
    return [
      {
        title: 'Throughput',
        lines: [{ label: 'events/s', values: series.eventsPerSecond, color: '--chart-1' }],
        format: figure,
        nothing,
      },
      {
        title: 'Latency, commit to commit',
        lines: [
          { label: 'p50', values: series.latencyP50Ms, color: '--chart-1' },
          { label: 'p99', values: series.latencyP99Ms, color: '--chart-2' },
        ],
        format: milliseconds,
        unit: 'milliseconds' as const,
        nothing: isAsked
          ? 'Nothing was published, or it took longer than the relay measures (some minutes).'
          : nothing,
      },
      {
        title: 'Oldest unpublished event',
        lines: [{ label: 'age', values: series.lagMs, color: '--chart-1' }],
        format: milliseconds,
        unit: 'milliseconds' as const,
        nothing,
      },
      {
        title: 'WAL kept for the slot',
        lines: [
          { label: 'kept', values: series.retainedBytes, color: '--chart-1' },
          ...(series.limitBytes.some((value) => value !== null)
            ? [{ label: 'slot lost at', values: series.limitBytes, color: '--bad', isLimit: true }]
            : []),
        ],
        format: bytes,
        nothing,
        unit: 'bytes' as const,
      },
    ];
  }, [series]);
  return (
    <Card
      title="Figures"
      aside={
        <fieldset className="choices">
          <legend className="hidden">Time span</legend>
          {spans.map(([label, value]) => (
            <label key={value}>
              <input
                type="radio"
                name="span"
                checked={span === value}
                onChange={() => setSearch({ span: String(value) }, { replace: true })}
              />
              <span>{label}</span>
            </label>
          ))}
        </fieldset>
      }
    >
      <QueryFailure of={history} />
      <div className="charts">
        {charts.map((chart) => (
          <Chart
            key={chart.title}
            {...chart}
            seconds={seconds}
            spanSeconds={span}
            nothing={history.isPending ? 'Loading…' : chart.nothing}
          />
        ))}
      </div>
    </Card>
  );
}

const none = new Proxy({} as Points['series'], { get: () => [] });

/** A sample comes every 5 s. */
const missedSeconds = 12;

/** What the server kept, and what has come since. */
function usePoints(span: number) {
  const { sampled } = useLive();
  const history = useQuery({
    queryKey: ['history', span],
    queryFn: () => ask(api.live.history.$get({ query: { seconds: String(span) } })),
    staleTime: Number.POSITIVE_INFINITY,
    // A person who comes back to the page finds what was measured while another one was open.
    refetchOnMount: 'always',
    // Long spans are thinned out by the server, so they are read again now and then.
    refetchInterval: span / 60 > 60 ? 60_000 : false,
  });
  const lastSeconds = useRef<number | null>(null);
  const [points, setPoints] = useState<Points>({ seconds: [], series: none });
  useEffect(() => {
    if (history.data !== undefined) setPoints(history.data);
  }, [history.data]);
  const { refetch } = history;
  useEffect(() => {
    if (sampled?.at == null) return;
    const at = Date.parse(sampled.at) / 1_000;
    // What came while the page was hidden is in the history.
    if (at - (lastSeconds.current ?? at) > missedSeconds) void refetch();
    lastSeconds.current = at;
    setPoints((before) => {
      if (before.seconds.length === 0 || at <= before.seconds.at(-1)!) return before;
      const begin = before.seconds.findIndex((each) => each >= at - span);
      const series = { ...before.series };
      for (const name of Object.keys(series) as (keyof Points['series'])[])
        series[name] = [...series[name].slice(begin), sampled.figures[name]];
      return { seconds: [...before.seconds.slice(begin), at], series };
    });
  }, [sampled, span, refetch]);
  return { points, history };
}
