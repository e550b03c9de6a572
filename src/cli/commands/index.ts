/** The table of commands. */
import type { CommandEntry } from './command.js'
import { doctor } from './doctor.js'
import { evaluate } from './evaluate.js'
import { inspect } from './inspect.js'
import { replay } from './replay.js'
import { report } from './report.js'

export const commands: readonly CommandEntry[] = [inspect, evaluate, replay, report, doctor]
