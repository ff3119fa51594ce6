/** Which settings a person looks for. Pure. */

export type Chosen = 'all' | 'set' | 'reload';

type Filtered = {
  readonly key: string;
  readonly section: string;
  readonly description: string;
  readonly value: string;
  readonly env: string;
  readonly source: string;
  readonly isDefault: boolean;
  readonly reload: boolean;
};

/** Each word must occur, wherever. */
export function chosenSettings<Each extends Filtered>(
  settings: readonly Each[],
  text: string,
  chosen: Chosen,
): Each[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return settings.filter((setting) => {
    if (chosen === 'set' && (setting.isDefault || setting.source === 'not set')) return false;
    if (chosen === 'reload' && !setting.reload) return false;
    const { key, description, value, env } = setting;
    const all = `${key} ${description} ${value} ${env}`.toLowerCase();
    return words.every((word) => all.includes(word));
  });
}

/** Sections in the order of the reference. */
export function sectionsOf<Each extends Pick<Filtered, 'section'>>(
  settings: readonly Each[],
): readonly (readonly [string, readonly Each[]])[] {
  return [...Map.groupBy(settings, ({ section }) => section)];
}
