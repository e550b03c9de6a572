/** The table of training objectives. */
import { madry } from './madry.js'
import { standard } from './standard.js'

export type { Objective, Term, View } from './objective.js'

export const objectives = { standard, madry } as const

export type ObjectiveName = keyof typeof objectives
