/** Values that stand at a place, each with the number of its events. */
import type { CountedValue } from '../../../../relay/operations/dead-letters/value-there.ts';
import { count } from '../../data/format.ts';
import { Visible } from '../../parts/visible.tsx';

export const CountedValues = ({
  values,
  hasOthers,
}: {
  readonly values: readonly CountedValue[];
  readonly hasOthers: boolean;
}) => (
  <>
    {values.map(({ text, isCut, count: many }, index) => (
      <span key={text}>
        {index > 0 && ', '}
        <code>
          <Visible text={text} max={80} />
          {isCut && '…'}
        </code>{' '}
        in {count(many)}
      </span>
    ))}
    {hasOthers && ', and others'}
  </>
);
