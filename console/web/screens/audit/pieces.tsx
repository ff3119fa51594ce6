/** What the standing audit and a verify show alike. */
import { Link } from 'wouter';
import { count } from '../../data/format.ts';
import { Scroll } from '../../parts/basics.tsx';
import { Visible } from '../../parts/visible.tsx';
import { kindOf, unjudged } from './words.ts';

export const EventLink = ({ id }: { id: string }) => (
  <Link href={`/find?${new URLSearchParams({ by: 'id', value: id })}`}>
    <Visible text={id} />
  </Link>
);

export const UnjudgedTable = ({ kinds }: { kinds: readonly (readonly [string, number])[] }) => (
  <Scroll label="What was not judged, and why">
    <table>
      <thead>
        <tr>
          <th>What</th>
          <th className="number">Number</th>
          <th>Why</th>
        </tr>
      </thead>
      <tbody>
        {kinds.map(([key, number]) => {
          const { name, means } = kindOf(unjudged, key);
          return (
            <tr key={key}>
              <td>{name}</td>
              <td className="number">{count(number)}</td>
              <td className="wrap">{means}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  </Scroll>
);
