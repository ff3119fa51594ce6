/**
 * Makes deploy/grafana/outbox-relay.json from the rows of `panels.ts`, with Grafana's own types and builders: `npm run
 * docs` writes it. It has no id of its own and no data source of its own, so that it imports anywhere.
 */
import { fileURLToPath } from 'node:url';
import * as common from '@grafana/grafana-foundation-sdk/common';
import {
  BigValueColorMode,
  BigValueGraphMode,
  BigValueTextMode,
} from '@grafana/grafana-foundation-sdk/common';
import {
  DashboardBuilder,
  DashboardCursorSync,
  DatasourceVariableBuilder,
  FieldColorBuilder,
  FieldColorModeId,
  MappingType,
  QueryVariableBuilder,
  RowBuilder,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  type ValueMap,
  VariableRefresh,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import * as stat from '@grafana/grafana-foundation-sdk/stat';
import * as steps from '@grafana/grafana-foundation-sdk/statetimeline';
import * as lines from '@grafana/grafana-foundation-sdk/timeseries';
import { rows } from './panels.ts';
import type { Panel, Query } from './queries.ts';

export const dashboardFile = fileURLToPath(new URL('outbox-relay.json', import.meta.url));

// biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana replaces it by the variable.
const datasource = { type: 'prometheus', uid: '${datasource}' };
const [usualWidth, usualHeight, statHeight, stepsHeight] = [6, 8, 4, 5];

/** The text of the file. */
export function dashboardJson(): string {
  return `${JSON.stringify(dashboard(), undefined, 2)}\n`;
}

export function dashboard() {
  const builder = new DashboardBuilder('Outbox relay')
    .uid('outbox-relay')
    .description('Streams a Postgres outbox table to Kafka. docs/guides/monitoring.md explains each row.')
    .tags(['outbox-relay'])
    .editable()
    .refresh('30s')
    .time({ from: 'now-1h', to: 'now' })
    .tooltip(DashboardCursorSync.Crosshair)
    .withVariable(new DatasourceVariableBuilder('datasource').label('Data source').type('prometheus'))
    .withVariable(
      new QueryVariableBuilder('slot')
        .label('Slot')
        .datasource(datasource)
        .query('label_values(outbox_relay_build_info, slot)')
        .refresh(VariableRefresh.OnTimeRangeChanged)
        .multi(true)
        .includeAll(true)
        .allValue('.*')
        .current({ text: 'All', value: '$__all' }),
    );
  let id = 0;
  for (const row of rows) {
    builder.withRow(new RowBuilder(row.title).id(++id));
    for (const panel of row.panels) builder.withPanel(panelOf(panel).id(++id));
  }
  return builder.build();
}

function panelOf(panel: Panel) {
  const { title, about, unit, width = usualWidth, queries } = panel;
  const targets = queries.map((query, index) =>
    target(query, String.fromCharCode(65 + index), panel.kind === 'stat'),
  );
  const builder = builderOf(panel);
  return builder
    .title(title)
    .description(about)
    .unit(unit)
    .span(width)
    .datasource(datasource)
    .targets(targets);
}

function target({ expr, legend }: Query, refId: string, isInstant: boolean) {
  const query = new DataqueryBuilder().refId(refId).expr(expr).legendFormat(legend);
  return isInstant ? query.instant() : query.range();
}

function builderOf(panel: Panel) {
  if (panel.kind === 'stat')
    return new stat.PanelBuilder()
      .height(statHeight)
      .noValue('none')
      .colorMode(BigValueColorMode.Background)
      .graphMode(BigValueGraphMode.None)
      .textMode(BigValueTextMode.ValueAndName)
      .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']))
      .mappings(mappings(panel))
      .thresholds(thresholds(panel));
  if (panel.kind === 'steps')
    return new steps.PanelBuilder()
      .height(panel.width === 24 ? stepsHeight : usualHeight)
      .showValue(common.VisibilityMode.Auto)
      .mergeValues(true)
      .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.Thresholds))
      .mappings(mappings(panel))
      .thresholds(thresholds(panel));
  return new lines.PanelBuilder()
    .height(usualHeight)
    .min(0)
    .lineWidth(1)
    .fillOpacity(10)
    .showPoints(common.VisibilityMode.Auto)
    .tooltip(new common.VizTooltipOptionsBuilder().mode(common.TooltipDisplayMode.Multi))
    .legend(
      new common.VizLegendOptionsBuilder()
        .showLegend(true)
        .displayMode(common.LegendDisplayMode.List)
        .placement(common.LegendPlacement.Bottom),
    );
}

function mappings({ meanings = {} }: Panel): ValueMap[] {
  const options = Object.fromEntries(
    Object.entries(meanings).map(([value, { text, colour }], index) => [
      value,
      { text, color: colour, index },
    ]),
  );
  return Object.keys(options).length === 0 ? [] : [{ type: MappingType.ValueToText, options }];
}

function thresholds({ thresholds: from = [] }: Panel) {
  return new ThresholdsConfigBuilder()
    .mode(ThresholdsMode.Absolute)
    .steps([{ value: null, color: 'green' }, ...from.map(([value, color]) => ({ value, color }))]);
}
