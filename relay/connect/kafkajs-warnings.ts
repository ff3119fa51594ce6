/** kafkajs 2.2.4 waits for times that have passed; Node 24 warns of that, which means nothing to an operator. */
export function ignoreNegativeTimeouts(): void {
  const { emitWarning } = process;
  process.emitWarning = (...warning: unknown[]) => {
    if (warning[1] !== 'TimeoutNegativeWarning') Reflect.apply(emitWarning, process, warning);
  };
}
