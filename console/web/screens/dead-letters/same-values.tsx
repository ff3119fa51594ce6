/** That a patch gives one value to events that hold different ones: said before anybody stores it. */
import type { SameValue } from '../../../../relay/operations/dead-letters/same-values.ts';
import { count } from '../../data/format.ts';
import { Badge } from '../../parts/basics.tsx';
import { Visible } from '../../parts/visible.tsx';

type Warned = SameValue & { readonly warning: string };

export const warnedOf = (operations: readonly SameValue[]): Warned[] =>
  operations.filter((each): each is Warned => each.warning !== null);

export const SameValues = ({ warned }: { warned: readonly Warned[] }) =>
  warned.length === 0 ? null : (
    <ul className="reasons" role="alert">
      {warned.map(({ operation, path, warning, values, different, isMore }) => (
        <li key={operation}>
          <Badge tone="bad">one value for all</Badge> Step {operation + 1}, <code>{path}</code>, {warning}
          {values !== null && values.length > 0 && (
            <>
              :{' '}
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
              {(isMore || (different ?? 0) > values.length) && ', and others'}
            </>
          )}
          . To keep the value of each event, convert it.
        </li>
      ))}
    </ul>
  );
