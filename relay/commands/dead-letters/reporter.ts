/** How far a long command is: a bar on a terminal, lines elsewhere; always on standard error. */
import { createLogUpdate } from 'log-update';

export type Reporter = { readonly show: (done: number, of: number) => void; readonly clear: () => void };

export function reporter(): Reporter {
  const update = process.stderr.isTTY ? createLogUpdate(process.stderr) : undefined;
  return {
    show: (done, of) =>
      update === undefined ? void process.stderr.write(`${done} of ${of}\n`) : update(bar(done, of)),
    clear: () => update?.clear(),
  };
}

const barWidth = 30;

function bar(done: number, of: number): string {
  const full = Math.min(barWidth, Math.round((done / Math.max(1, of)) * barWidth));
  return `${'█'.repeat(full)}${'░'.repeat(barWidth - full)} ${done} of ${of}`;
}
