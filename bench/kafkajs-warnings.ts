/** kafkajs asks for a timer a little in the past now and then; Node 24 warns of that, once. Others are shown. */
export function ignoreNegativeTimeouts(): void {
  const listeners = process.listeners('warning');
  process.removeAllListeners('warning');
  process.on('warning', (warning) => {
    if (warning.name === 'TimeoutNegativeWarning') return;
    for (const listener of listeners) listener(warning);
  });
}
