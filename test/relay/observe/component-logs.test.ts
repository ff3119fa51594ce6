import { pino } from 'pino';
import { expect, test } from 'vitest';
import { logComponents } from '../../../relay/config/log-components.ts';
import { componentLogs, setLevels, withFields } from '../../../relay/observe/component-logs.ts';

function written() {
  const lines: Record<string, unknown>[] = [];
  const log = pino(
    { level: 'warn', base: null, timestamp: false, formatters: { level: (level) => ({ level }) } },
    { write: (line: string) => void lines.push(JSON.parse(line)) },
  );
  return { log, take: () => lines.splice(0) };
}

test('each component has a level of its own, and the others have the general one', () => {
  const { log, take } = written();
  const logs = componentLogs(log, { level: 'info', levels: { publish: 'debug', upkeep: 'error' } });
  for (const component of logComponents) {
    logs[component].debug('detail');
    logs[component].warn('trouble');
  }
  expect(take()).toEqual(
    logComponents.flatMap((component) => [
      ...(component === 'publish' ? [{ level: 'debug', component, msg: 'detail' }] : []),
      ...(component === 'upkeep' ? [] : [{ level: 'warn', component, msg: 'trouble' }]),
    ]),
  );
});

test('levels change while the relay runs, for loggers with further fields too', () => {
  const { log, take } = written();
  const logs = componentLogs(log, { level: 'info', levels: { kafka: 'trace' } });
  const ofSlot = withFields(logs, { slot: 'orders' });
  ofSlot.kafka.trace('before');
  for (const each of [logs, ofSlot]) setLevels(each, { level: 'error', levels: { relay: 'info' } });
  for (const each of [logs, ofSlot])
    for (const component of ['kafka', 'relay'] as const) each[component].warn('after');
  expect(take()).toEqual([
    { level: 'trace', component: 'kafka', slot: 'orders', msg: 'before' },
    { level: 'warn', component: 'relay', msg: 'after' },
    { level: 'warn', component: 'relay', slot: 'orders', msg: 'after' },
  ]);
});

test('without settings every component has the level of the logger', () => {
  const { log, take } = written();
  const { audit } = componentLogs(log);
  audit.info('audited');
  audit.warn('held back');
  expect(take()).toEqual([{ level: 'warn', component: 'audit', msg: 'held back' }]);
});
