/** The published schema of SARIF 2.1.0. */
import { readFileSync } from 'node:fs'

const file = new URL('./sarif/sarif-2.1.0-rtm.5.json', import.meta.url)

/** It is written for draft 4; of its keywords only `id` has another name in draft 7. */
const { id: _, $schema: __, ...schema } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>

export const sarifSchema = schema
