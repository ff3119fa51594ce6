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

type Failed = {
  readonly id: string | null;
  readonly code: string;
  readonly path: string | null;
  readonly message: string;
};

/** Those of one cause together, the most frequent first, each with some events as examples. */
export function causesOf<Failure extends Failed>(failures: readonly Failure[], examples = 3) {
  const groups = Map.groupBy(failures, ({ code, path, message }) => JSON.stringify([code, path, message]));
  return [...groups.entries()]
    .map(([key, group]) => {
      const { code, path, message } = group[0]!;
      const ids = group.flatMap(({ id }) => (id === null ? [] : [id])).slice(0, examples);
      return { key, code, path, message, count: group.length, ids };
    })
    .toSorted((left, right) => right.count - left.count);
}
