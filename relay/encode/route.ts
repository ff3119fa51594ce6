/** Decides the topic of an event and the subject of its schema. Pure. */
import type { Config } from '../config/config.ts';
import { allowList, isLegalTopic } from '../config/topic-patterns.ts';
import { shortened } from '../observe/printable.ts';

export type Route = { readonly topic: string; readonly subject: string };

/**
 * Subjects that a topic and an Avro name can form. Any other subject cannot exist, so the relay neither requests nor
 * caches it: registries and proxies answer `%2F` or a very long path with an error, and then one row would look like an
 * outage that never ends.
 */
const possibleSubject = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,1000}$/;

export function isPossibleSubject(subject: string): boolean {
  return possibleSubject.test(subject);
}

/** A name between dots, or an end, that is empty. */
const emptyName = /^$|^\.|\.\.|\.$/;

/** More than is shown of a name that cannot be one. */
const shownMost = 100;

function fill(template: string, aggregatetype: string, type: string | null): string {
  return template.replace(/\{(aggregatetype|type)\}/g, (_, name: string) =>
    name === 'type' ? (type ?? '') : aggregatetype,
  );
}

/** Routes events by template, and only to topics on the allow-list. */
export class Router {
  readonly #settings: Pick<Config, 'topics' | 'schemas'>;
  readonly #allowed: RegExp;
  readonly #tombstones: RegExp;
  /** What no list can keep out: all but the internal topics. */
  readonly #anyList: RegExp;

  constructor(config: Pick<Config, 'topics' | 'schemas' | 'kafka'>) {
    this.#settings = config;
    this.#allowed = allowList(config.topics.allow, config.kafka.progressTopic);
    this.#tombstones = allowList(config.topics.tombstones, config.kafka.progressTopic);
    this.#anyList = allowList(['*', '_*'], config.kafka.progressTopic);
  }

  /** Whether an event without a payload is a tombstone in this topic. */
  takesTombstones(topic: string): boolean {
    return this.#tombstones.test(topic);
  }

  /**
   * The topic, or undefined if the name is not legal or not allowed.
   * @param type null for an event without a type, which has a topic only if the template does not contain the type
   */
  topic(aggregatetype: string, type: string | null): string | undefined {
    if (type === null && this.#settings.topics.template.includes('{type}')) return undefined;
    if (this.emptyPart(aggregatetype, type) !== undefined) return undefined;
    const topic = this.#fill(aggregatetype, type);
    return isLegalTopic(topic) && this.#allowed.test(topic) ? topic : undefined;
  }

  /**
   * The column that leaves a part of the name between dots empty, as in `outbox.event.` and `outbox.event.a..b`: Kafka takes
   * such a name, and nobody meant it. What the template itself says counts: `ev{aggregatetype}` is whole without a value.
   */
  emptyPart(aggregatetype: string, type: string | null): 'aggregatetype' | 'type' | undefined {
    for (const part of this.#settings.topics.template.split('.')) {
      const columns = (['aggregatetype', 'type'] as const).filter((name) => part.includes(`{${name}}`));
      if (columns.length === 0 || !emptyName.test(fill(part, aggregatetype, type))) continue;
      const values = { aggregatetype, type: type ?? '' };
      return columns.find((name) => emptyName.test(values[name])) ?? columns[0];
    }
    return undefined;
  }

  /** Why such an event has no topic. */
  whyEmpty(column: 'aggregatetype' | 'type'): string {
    return `${column}: must not leave a part between the dots of the topic's name empty (topics.template ${this.#settings.topics.template})`;
  }

  /** Why an event has no topic: the name that it leads to, and what refuses that. Of any length, and safe to show. */
  whyNone(aggregatetype: string, type: string): string {
    const { template } = this.#settings.topics;
    const empty = this.emptyPart(aggregatetype, type);
    if (empty !== undefined) return this.whyEmpty(empty);
    const name = this.#fill(aggregatetype, type);
    const columns = template.includes('{type}') ? 'aggregatetype and type lead' : 'the aggregatetype leads';
    if (!isLegalTopic(name))
      // Cut first: it may be as long as a row.
      return `${columns} to "${shortened(name.slice(0, shownMost))}" (topics.template ${template}), which cannot be the name of a topic: at most 249 letters, digits, dots, underscores and hyphens`;
    if (!this.#anyList.test(name))
      return `${columns} to topic ${name}, which is internal: no setting allows events in it`;
    return `${columns} to topic ${name}, which topics.allow does not list`;
  }

  #fill(aggregatetype: string, type: string | null): string {
    return fill(this.#settings.topics.template, aggregatetype, type);
  }

  subject(topic: string, type: string): string {
    const { subjectStrategy, namespace } = this.#settings.schemas;
    const record = namespace === '' || type.includes('.') ? type : `${namespace}.${type}`;
    switch (subjectStrategy) {
      case 'topic':
        return `${topic}-value`;
      case 'record':
        return record;
      case 'topic-record':
        return `${topic}-${record}`;
    }
  }
}
