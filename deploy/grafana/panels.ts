/** What the dashboard shows: rows of panels, each with its queries. `dashboard.ts` makes Grafana's JSON of it. */
import type { Row } from './queries.ts';
import { otherRows } from './rows-around-it.ts';
import { streamRows } from './rows-of-the-stream.ts';

export const rows: readonly Row[] = [...streamRows, ...otherRows];
