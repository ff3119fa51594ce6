/** What tests and pictures ask a Prometheus: the result of a query, now or over time, and which alerts it has. */

export type Labels = Readonly<Record<string, string>>;
export type Sample = { readonly labels: Labels; readonly value: number };
export type Series = {
  readonly labels: Labels;
  readonly points: readonly (readonly [seconds: number, value: number])[];
};

export type Alert = {
  readonly name: string;
  readonly state: 'pending' | 'firing';
  readonly labels: Labels;
  readonly annotations: Labels;
};

type Result = { metric: Labels; value: [number, string]; values: [number, string][] };

/** @throws with Prometheus' own words when it refuses the query */
export async function query(url: string, expression: string): Promise<Sample[]> {
  const { result } = await ask<{ result: Result[] }>(url, 'query', { query: expression });
  return result.map(({ metric, value }) => ({ labels: metric, value: numberOf(value[1]) }));
}

export type Range = {
  readonly fromSeconds: number;
  readonly toSeconds: number;
  readonly stepSeconds: number;
};

export async function queryRange(url: string, expression: string, range: Range): Promise<Series[]> {
  const { result } = await ask<{ result: Result[] }>(url, 'query_range', {
    query: expression,
    start: String(range.fromSeconds),
    end: String(range.toSeconds),
    step: String(range.stepSeconds),
  });
  return result.map(({ metric, values }) => ({
    labels: metric,
    points: values.map(([at, value]) => [at, numberOf(value)]),
  }));
}

/** Alerts that are pending or fire. */
export async function alerts(url: string): Promise<Alert[]> {
  const { alerts: found } = await ask<{ alerts: Omit<Alert, 'name'>[] }>(url, 'alerts', {});
  return found.map((alert) => ({ ...alert, name: alert.labels.alertname ?? '' }));
}

export type Rule = { readonly name: string; readonly health: string; readonly lastError?: string };

export async function rules(url: string): Promise<Rule[]> {
  const { groups } = await ask<{ groups: { rules: Rule[] }[] }>(url, 'rules', {});
  return groups.flatMap((group) => group.rules);
}

async function ask<T>(url: string, what: string, parameters: Readonly<Record<string, string>>): Promise<T> {
  const response = await fetch(`${url}/api/v1/${what}?${new URLSearchParams(parameters)}`);
  const answer = (await response.json()) as { data: T; error?: string };
  if (answer.error !== undefined) throw new Error(`${parameters.query ?? what}: ${answer.error}`);
  return answer.data;
}

/** Prometheus writes `+Inf`, which `Number` does not read. */
function numberOf(text: string): number {
  return Number(text.replace('Inf', 'Infinity'));
}
