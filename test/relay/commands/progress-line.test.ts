import { expect, test } from 'vitest';
import { ProgressLine, unlessNothing } from '../../../relay/commands/progress-line.ts';

function progress() {
  const written: string[] = [];
  const stream = {
    isTTY: false,
    write: (text: string) => written.push(text),
  } as unknown as NodeJS.WriteStream;
  return { written, stream, line: new ProgressLine<number>((done) => `${done} of 10`, stream) };
}

test('a reader that is no terminal hears the first count and the last', () => {
  const { written, line } = progress();
  for (const done of [1, 2, 10]) line.show(done);
  line.end();
  line.end();
  expect(written).toEqual(['1 of 10\n', '10 of 10\n']);
});

test('what was shown is not said again', () => {
  const { written, line } = progress();
  line.show(10);
  line.end();
  expect(written).toEqual(['10 of 10\n']);
});

test('what there is nothing of is not shown, also at the end, and the next stage is', () => {
  const { written, stream } = progress();
  type Stage = { readonly stage: string; readonly total?: number };
  const line = new ProgressLine<Stage>(
    unlessNothing(({ stage, total }) => `${stage}: ${total ?? 'some'}`),
    stream,
  );
  for (const step of [{ stage: 'topics', total: 0 }, { stage: 'letters' }, { stage: 'topics', total: 0 }])
    line.show(step, step.stage);
  line.end();
  expect(written).toEqual(['letters: some\n']);
});
