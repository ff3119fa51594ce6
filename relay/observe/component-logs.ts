/** One logger for each component of the relay. Its lines have the field `component`, and it has a level of its own. */
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { type LogComponent, logComponents } from '../config/log-components.ts';

export type ComponentLogs = Readonly<Record<LogComponent, Logger>>;

type LogSettings = Config['log'];

const eachComponent = (open: (component: LogComponent) => Logger): ComponentLogs =>
  Object.fromEntries(logComponents.map((name) => [name, open(name)])) as Record<LogComponent, Logger>;

/** @param settings without them every component has the level of `log` */
export function componentLogs(log: Logger, settings?: LogSettings): ComponentLogs {
  const logs = eachComponent((component) => log.child({ component }));
  if (settings !== undefined) setLevels(logs, settings);
  return logs;
}

/** The same loggers with further fields in each line. A later `setLevels` must set theirs too. */
export function withFields(logs: ComponentLogs, fields: Readonly<Record<string, string>>): ComponentLogs {
  return eachComponent((component) => logs[component].child(fields));
}

export function setLevels(logs: ComponentLogs, { level, levels }: LogSettings): void {
  for (const component of logComponents) logs[component].level = levels[component] ?? level;
}
