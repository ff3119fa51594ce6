/** Loads the configuration of a command. */
import type { Command } from 'commander';
import { type Config, loadConfig, type Need, type Provenance } from '../config/config.ts';

/** @param needs servers whose settings must be there; without it, all. @throws RelayError CONFIG_INVALID */
export type Load = (
  command: Command,
  needs?: readonly Need[],
) => { readonly config: Config; readonly provenance: Provenance; readonly file?: string | undefined };

export const load: Load = (command, needs) => {
  const { config } = command.optsWithGlobals<{ config?: string }>();
  return loadConfig({ file: config, ...(needs === undefined ? {} : { needs }) });
};
