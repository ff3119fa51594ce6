/** The smallest parts: what every screen is made of. */
import { type ComponentPropsWithRef, type ReactNode, useId, useRef } from 'react';
import type { Fault } from '../../server/fault.ts';
import { ApiFault } from '../data/api.ts';
import { byServer, useNow } from '../data/clock.ts';
import { localTime, seconds, utc } from '../data/format.ts';
import { sentence } from '../data/sentence.ts';
import { useAnchor } from './anchor.ts';
import { Words } from './words.tsx';

export type Tone = 'good' | 'warn' | 'bad' | 'quiet' | 'accent';

export const Badge = ({ tone, children }: { tone: Tone; children: ReactNode }) => (
  <span className={`badge ${tone}`}>{children}</span>
);

type ButtonProps = ComponentPropsWithRef<'button'> & {
  kind?: 'plain' | 'primary' | 'danger';
  /** Why it cannot be pressed now; null where it can. The keyboard reaches it either way, so that everybody learns why. */
  why?: string | null;
};

export function Button({ kind = 'plain', why, disabled = false, ...rest }: ButtonProps) {
  const id = useId();
  const { onClick: _, type: __, ...shown } = rest;
  const isOff = disabled || typeof why === 'string';
  // Not the attribute `disabled`: the browser takes the focus from a button that has it.
  const own = isOff ? { ...shown, type: 'button' as const, 'aria-disabled': true } : rest;
  const button = (
    <button
      type="button"
      className={`button ${kind}`}
      {...own}
      {...(typeof why === 'string' && { 'aria-describedby': id })}
    />
  );
  if (why === undefined) return button;
  return (
    <span className="why">
      {button}
      {why !== null && (
        <span role="tooltip" id={id}>
          {why}
        </span>
      )}
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
  /** By which an address leads to it. */
  id?: string;
}) {
  const ref = useRef<HTMLElement>(null);
  useAnchor(id, ref);
  return (
    <section className="card" id={id} ref={ref} aria-label={title}>
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
          <Words text={sentence(message)} />
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

/** The same on a line of its own, of one thing among others that are known. */
export const FaultText = ({ fault: { code, message, hint } }: { fault: Fault }) => (
  <>
    <code>{code}</code> <Words text={sentence(message)} /> {hint !== null && <Words text={hint} />}
  </>
);

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

/** Keeps the place of what is not there yet, so that nothing jumps: within a card, of its contents. */
export const Waiting = ({ lines = 3 }: { lines?: number }) => (
  <div className="waiting" role="status" aria-label="Loading">
    {Array.from({ length: lines }, (_, index) => (
      // biome-ignore lint/suspicious/noArrayIndexKey: they are all alike
      <span key={index} />
    ))}
  </div>
);

/** Of a screen whose first answer is missing. */
export const Loading = ({ lines = 6 }: { lines?: number }) => (
  <Card>
    <Waiting lines={lines} />
  </Card>
);

/** A share of a whole, beside its number. What is more than nothing can be seen. */
export const Bar = ({ share }: { share: number }) => (
  <span className="bar" aria-hidden="true">
    <i style={{ inlineSize: `${share <= 0 ? 0 : Math.max(1, Math.min(100, share * 100))}%` }} />
  </span>
);
