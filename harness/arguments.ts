/** Parsers of command line options, for the commands beside the relay's own. */
import { InvalidArgumentError } from 'commander';

/** An integer, both bounds included. */
export function integer(lowest: number, highest: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= lowest && value <= highest) return value;
    throw new InvalidArgumentError(`expected a whole number from ${lowest} to ${highest}.`);
  };
}

export function number(lowest: number, highest: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && value >= lowest && value <= highest) return value;
    throw new InvalidArgumentError(`expected a number from ${lowest} to ${highest}.`);
  };
}

/** A seed for a run that was given none. */
export const randomSeed = (): number => Math.floor(Math.random() * 2 ** 32);
