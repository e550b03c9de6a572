/** The table of commands. */
import type { CommandEntry } from './command.js'
import { compare } from './compare.js'
import { completion } from './completion.js'
import { doctor } from './doctor.js'
import { evaluate } from './evaluate.js'
import { exporting } from './export.js'
import { gate } from './gate.js'
import { init } from './init.js'
import { inspect } from './inspect.js'
import { replay } from './replay.js'
import { report } from './report.js'
import { schema } from './schema.js'

export const commands: readonly CommandEntry[] = [
  inspect,
  evaluate,
  replay,
  report,
  compare,
  gate,
  exporting,
  schema,
  doctor,
  init,
  completion,
]
