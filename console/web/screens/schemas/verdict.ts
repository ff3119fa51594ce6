/** What a change means for those who read, in one sentence. Pure. */
export type Affected = { readonly breaks: 'consumers' | 'producers'; readonly isSilent: boolean };

export function verdictOf(findings: readonly Affected[]): { tone: 'good' | 'bad'; text: string } {
  if (findings.length === 0)
    return {
      tone: 'good',
      text: 'Nobody: consumers with either version read events of both with the same values.',
    };
  const [consumers, producers] = (['consumers', 'producers'] as const).map((side) =>
    findings.some(({ breaks }) => breaks === side),
  );
  const who =
    consumers && producers
      ? 'Everybody: consumers that have only one of the two versions'
      : consumers
        ? 'Consumers that still have the earlier version'
        : 'Consumers that have the new version and read earlier events';
  const how = findings.every(({ isSilent }) => isSilent)
    ? 'read other values than were written, without an error'
    : findings.some(({ isSilent }) => isSilent)
      ? 'fail at some events, or read other values without an error'
      : 'fail at such events';
  return { tone: 'bad', text: `${who} ${how}.` };
}
