/** How a command comes by its configuration. */
import type { Command } from 'commander';
import { type Config, loadConfig, type Need, type Provenance } from '../config/config.ts';

/** Loads the configuration for a command, which says which servers it needs; called when it runs, not for --help. */
export type Load = (
  command: Command,
  needs?: readonly Need[],
) => { readonly config: Config; readonly provenance: Provenance };

export const load: Load = (command, needs) => {
  const { config } = command.optsWithGlobals<{ config?: string }>();
  return loadConfig({ file: config, ...(needs === undefined ? {} : { needs }) });
};
