/** The smallest parts: what every screen is made of. */
import { type ButtonHTMLAttributes, type ReactNode, useId } from 'react';
import { ApiFault } from '../data/api.ts';
import { byServer, useNow } from '../data/clock.ts';
import { localTime, seconds, utc } from '../data/format.ts';
import { Words } from './words.tsx';

export type Tone = 'good' | 'warn' | 'bad' | 'quiet' | 'accent';

export const Badge = ({ tone, children }: { tone: Tone; children: ReactNode }) => (
  <span className={`badge ${tone}`}>{children}</span>
);

type ButtonProps = ButtonHTMLAttributes<HTMLButtonElement> & {
  kind?: 'plain' | 'primary' | 'danger';
  /** Why it cannot be pressed now; null where it can. The keyboard reaches it either way, so that everybody learns why. */
  why?: string | null;
};

export function Button({ kind = 'plain', why, ...rest }: ButtonProps) {
  const id = useId();
  const className = `button ${kind}`;
  if (why === undefined) return <button type="button" className={className} {...rest} />;
  if (why === null)
    return (
      <span className="why">
        <button type="button" className={className} {...rest} />
      </span>
    );
  const { onClick: _, type: __, disabled: ___, ...shown } = rest;
  return (
    <span className="why">
      <button {...shown} type="button" className={className} aria-disabled="true" aria-describedby={id} />
      <span role="tooltip" id={id}>
        {why}
      </span>
    </span>
  );
}

/** In the zone of the viewer; UTC on hover and for screen readers. */
export const Time = ({ at }: { at: string }) => (
  <time dateTime={at} title={utc(at)}>
    {localTime(at)}
  </time>
);

/** How long ago, kept up to date. */
export function Ago({ at }: { at: string | number }) {
  const ownMs = useNow();
  // A number is a time of this browser.
  const nowMs = typeof at === 'number' ? ownMs : byServer(ownMs);
  const atMs = typeof at === 'number' ? at : Date.parse(at);
  const iso = new Date(atMs).toISOString();
  return (
    <time dateTime={iso} title={`${localTime(iso)} · ${utc(iso)}`}>
      {seconds(Math.max(0, Math.round((nowMs - atMs) / 1_000)))} ago
    </time>
  );
}

export function Card({
  title,
  aside,
  children,
  id,
}: {
  title?: string;
  aside?: ReactNode;
  children: ReactNode;
  id?: string;
}) {
  return (
    <section className="card" id={id} aria-label={title}>
      {(title ?? aside) !== undefined && (
        <header>
          {title !== undefined && <h2>{title}</h2>}
          {aside}
        </header>
      )}
      {children}
    </section>
  );
}

/**
 * What may be wider than the page, such as a table: it scrolls by keyboard too, as a region of its own.
 * @param label what it holds
 */
export const Scroll = ({ label, children }: { label: string; children: ReactNode }) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: without it the keyboard cannot scroll
  <section className="scroll" aria-label={`Table: ${label}`} tabIndex={0}>
    {children}
  </section>
);

/** Nothing is there: what would be here, what that means, and what to do. */
export const Empty = ({
  title,
  children,
  action,
}: {
  title: string;
  children?: ReactNode;
  action?: ReactNode;
}) => (
  <div className="empty">
    <p>{title}</p>
    {children !== undefined && <p className="quiet">{children}</p>}
    {action}
  </div>
);

/**
 * Something did not work: what, and what to do.
 * @param seenMs of when what is shown nevertheless is; 0 where nothing is
 */
export function Failure({
  error,
  seenMs = 0,
  onRetry,
}: {
  error: unknown;
  seenMs?: number;
  onRetry?: () => void;
}) {
  const { message, code, hint } =
    error instanceof ApiFault ? error : { message: String(error), code: 'PAGE', hint: null };
  return (
    <div className="failure" role="alert">
      <p>
        <strong>
          <Words text={message} />
        </strong>{' '}
        <code>{code}</code>
      </p>
      {hint !== null && (
        <p>
          <Words text={hint} />
        </p>
      )}
      {seenMs > 0 && (
        <p>
          What you see is from <Ago at={seenMs} />.
        </p>
      )}
      {onRetry !== undefined && <Button onClick={onRetry}>Try again</Button>}
    </div>
  );
}

type Question = {
  readonly error: unknown;
  readonly dataUpdatedAt: number;
  readonly refetch: () => Promise<unknown>;
};

/** That a question to the server failed, beside what an earlier answer still shows; nothing where it did not. */
export const QueryFailure = ({ of }: { of: Question }) =>
  of.error === null ? null : (
    <Failure error={of.error} seenMs={of.dataUpdatedAt} onRetry={() => void of.refetch()} />
  );

/** Keeps the place of what is not there yet, so that nothing jumps. */
export const Waiting = ({ lines = 3 }: { lines?: number }) => (
  <div className="waiting" role="status" aria-label="Loading">
    {Array.from({ length: lines }, (_, index) => (
      // biome-ignore lint/suspicious/noArrayIndexKey: they are all alike
      <span key={index} />
    ))}
  </div>
);
