/** Whom a change of a schema affects, and how. */
import { Badge } from '../../parts/basics.tsx';
import { Visible } from '../../parts/visible.tsx';
import { Words } from '../../parts/words.tsx';

export type Finding = {
  readonly path: string;
  readonly kind: string;
  readonly breaks: 'consumers' | 'producers';
  readonly explanation: string;
  readonly remedy: string;
  readonly version?: number | null;
};

const affected = {
  consumers: 'Consumers with the earlier version cannot read new events correctly',
  producers: 'Consumers with the new version cannot read earlier events correctly',
} as const;

export function Findings({ findings }: { findings: readonly Finding[] }) {
  return (['consumers', 'producers'] as const).map((breaks) => {
    const own = findings.filter((finding) => finding.breaks === breaks);
    if (own.length === 0) return null;
    return (
      <section key={breaks} className="affected" aria-label={affected[breaks]}>
        <h3>
          <Badge tone="bad">{breaks}</Badge> {affected[breaks]}
        </h3>
        <ul className="reasons">
          {own.map(({ path, kind, explanation, remedy, version }) => (
            <li key={`${path} ${kind} ${version} ${explanation}`}>
              <p>
                <code>
                  <Visible text={path} />
                </code>{' '}
                <Words text={explanation} />
                {version != null && <span className="quiet"> (version {version})</span>}
              </p>
              <p className="quiet">
                <Words text={remedy} />
              </p>
            </li>
          ))}
        </ul>
      </section>
    );
  });
}
