/** That a patch gives one value to events that hold different ones: said before anybody stores it. */
import type { SameValue } from '../../../../relay/operations/dead-letters/same-values.ts';
import { Badge } from '../../parts/basics.tsx';
import { CountedValues } from './counted-values.tsx';

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
              : <CountedValues values={values} hasOthers={isMore || (different ?? 0) > values.length} />
            </>
          )}
          . To keep the value of each event, convert it.
        </li>
      ))}
    </ul>
  );
