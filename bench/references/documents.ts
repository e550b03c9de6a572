/** The table of generated references: path and text. Pure functions of the tables of the program. */
import { commandDocument } from './commands.js'
import { configDocument } from './config.js'
import { operatorDocument } from './operators.js'
import { resultDocument } from './result.js'

export const references: Readonly<Record<string, () => string>> = {
  'docs/reference/cli.md': commandDocument,
  'docs/reference/config.md': configDocument,
  'docs/reference/result.md': resultDocument,
  'docs/operators.md': operatorDocument,
}
