/**
 * A part whose code is loaded when it is needed, or before. Once the code is there the part is drawn at once: React holds
 * back for 300 ms whatever it had to wait for.
 */
import { type ComponentType, lazy, useState } from 'react';

type Load<Props> = () => Promise<{ default: ComponentType<Props> }>;

export type Later<Props> = ComponentType<Props> & {
  /** Loads the code beforehand. What fails here fails again where the part is drawn, and is said there. */
  readonly preload: () => Promise<void>;
};

export function later<Props extends object>(load: Load<Props>): Later<Props> {
  let loaded: ComponentType<Props> | undefined;
  const take = async () => {
    const module = await load();
    loaded = module.default;
    return module;
  };
  const Lazy = lazy(take) as ComponentType<Props>;
  function Part(props: Props) {
    // For as long as it is shown: another component would start over.
    const [Shown] = useState(() => loaded ?? Lazy);
    return <Shown {...props} />;
  }
  const preload = async () => {
    await take().catch(() => {});
  };
  return Object.assign(Part, { preload });
}
