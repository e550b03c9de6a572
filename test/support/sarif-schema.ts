/** The published schema of SARIF 2.1.0. */
import { readFileSync } from 'node:fs'

const published = JSON.parse(
  readFileSync(new URL('./sarif/sarif-2.1.0-rtm.5.json', import.meta.url), 'utf8'),
) as Record<string, unknown>

/** Written for draft 4; of its keywords only `id` has another name in draft 7. */
export const { id: _, $schema: __, ...sarifSchema } = published
