/** Numbers topics, so that what the audit keeps of an event has two bytes in place of a name. */
export class TopicNumbers {
  readonly #numbers = new Map<string | undefined, number>();
  /** By number. */
  readonly #names: (string | undefined)[] = [];

  /** @param topic undefined where an event routes to none */
  of(topic: string | undefined): number {
    let number = this.#numbers.get(topic);
    if (number === undefined) {
      number = this.#names.push(topic) - 1;
      this.#numbers.set(topic, number);
    }
    return number;
  }

  name(number: number): string | undefined {
    return this.#names[number];
  }

  names(): string[] {
    return this.#names.filter((name) => name !== undefined);
  }
}
