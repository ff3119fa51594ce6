/** The state of something as a whole: a word for it, and the sentence that a person reads before any number. */
import type { ReactNode } from 'react';
import { Badge, type Tone } from './basics.tsx';

type VerdictProps = {
  readonly tone: Tone;
  /** The word. */
  readonly label: string;
  /** The sentence. */
  readonly text: ReactNode;
};

/** @param about for those who do not see the card */
export const VerdictCard = ({
  about,
  tone,
  children,
  ...said
}: VerdictProps & { readonly about: string; readonly children?: ReactNode }) => (
  <section className={`card verdict ${tone}`} aria-label={about}>
    <Verdict tone={tone} {...said} />
    {children}
  </section>
);

/** Of a part of a card. */
export const Verdict = ({ tone, label, text }: VerdictProps) => (
  <div className="said" role="status">
    <Badge tone={tone}>{label}</Badge>
    <p className="headline">{text}</p>
  </div>
);
