/** What limits a list, in words. */
export type Condition<Name extends string> = {
  readonly name: Name;
  readonly label: string;
  readonly text: string;
};
