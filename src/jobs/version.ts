/** The version of this program, from its package.json. */
import { readFileSync } from 'node:fs'

const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')

export const version = String((JSON.parse(text) as { version: unknown }).version)
export const tool = { name: 'robustly', version } as const
