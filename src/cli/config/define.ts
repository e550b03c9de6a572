/** Types for `robustly.config.ts`. */
import type { Config } from './schema.js'

export type { Config }

/** Gives back what it gets, so that an editor knows the options of a config file. */
export function defineConfig(config: Config): Config {
  return config
}
