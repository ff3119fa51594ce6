/** Something that takes a while to read, for several who ask at about the same time: one reads it. */

/** @param keptMs how old an answer may be; a failure is not kept */
export function kept<Value>(keptMs: number, read: () => Promise<Value>): () => Promise<Value> {
  let reading: Promise<Value> | undefined;
  return () => {
    if (reading !== undefined) return reading;
    const mine = read();
    const forget = () => {
      if (reading === mine) reading = undefined;
    };
    reading = mine;
    mine.then(() => setTimeout(forget, keptMs).unref(), forget);
    return mine;
  };
}
