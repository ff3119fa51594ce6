/** A sentence of the relay, in which commands and names stand between backticks. */
import { visibleText } from './visible-text.ts';

export const Words = ({ text }: { text: string }) =>
  text.split('`').map((part, index) =>
    index % 2 === 1 ? (
      // biome-ignore lint/suspicious/noArrayIndexKey: they are in the order of the text
      <code key={index}>{visibleText(part)}</code>
    ) : (
      visibleText(part)
    ),
  );
