/**
 * A sentence of the relay, in which commands and names stand between backticks. A command for which the console has a page
 * is a link to it.
 */
import { Link } from 'wouter';
import { pageOf } from '../data/command-pages.ts';
import { visibleText } from './visible-text.ts';

export const Words = ({ text }: { text: string }) =>
  text.split('`').map((part, index) => {
    if (index % 2 === 0) return visibleText(part);
    const page = pageOf(part);
    // biome-ignore-start lint/suspicious/noArrayIndexKey: they are in the order of the text
    return page === undefined ? (
      <code key={index}>{visibleText(part)}</code>
    ) : (
      <Link key={index} href={page.path}>
        {page.title}
      </Link>
    );
    // biome-ignore-end lint/suspicious/noArrayIndexKey: they are in the order of the text
  });
