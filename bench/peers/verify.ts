/** The judge of all tools alike: their examples on the original file in ONNX Runtime, with the norm checked in exact arithmetic. */
import { openDataset } from '../../src/data/dataset.js'
import { judge, openVerifier } from '../../src/evaluate/verify.js'
import { labelOf } from '../../src/model/batch-model.js'
import type { Engine } from '../../src/runtime/engine.js'
import { readModelFile } from '../../src/runtime/files.js'
import { clampToBox } from '../../src/threat/norm.js'
import { norms, regionOf } from '../../src/threat/threat.js'
import type { Row } from './rows.js'
import type { Subject } from './subjects.js'

export interface Verified {
  /** Samples that the original file classifies correctly. */
  readonly clean: readonly boolean[]
  /** Distance of the adversarial example of each clean sample; Infinity where there is none that holds. */
  readonly distances: readonly number[]
  /** How far the farthest example lay outside the ball before rounding was taken out of it; 0 for minimum distances. */
  readonly beyond: number
}

/**
 * Examples that lie outside ball or box by a rounding of their tool's float32 arithmetic are pulled inside first, which can only
 * cost robustly, never the peer. What lies further out shows in `beyond`.
 */
export async function verify(
  engine: Engine,
  subject: Subject,
  row: Row,
  files: { readonly inputs: string; readonly labels: string; readonly examples: string },
): Promise<Verified> {
  const data = await openDataset(files.inputs, { labels: files.labels })
  const found = await openDataset(files.examples, { labels: files.labels })
  const { inputs, labels } = await data.read(0, data.count)
  const { inputs: examples } = await found.read(0, found.count)
  await Promise.all([data.close(), found.close()])
  const { sampleShape, layout, count } = data
  const { mean, std } = subject
  const space = {
    sampleShape,
    dataLayout: layout,
    modelLayout: undefined,
    mean: mean ?? undefined,
    std: std ?? undefined,
  }
  await using verifier = await openVerifier(engine, await readModelFile(subject.model), space, { threads: 1 })
  const epsilon = row.kind === 'budget' ? subject.epsilon : Number.POSITIVE_INFINITY
  const threat = { norm: norms[row.norm], epsilon, epsilonText: String(epsilon), box: { low: 0, high: 1 } }
  const features = inputs.length / count
  const clean: boolean[] = []
  const distances: number[] = []
  let beyond = 0
  for (let i = 0; i < count; i++) {
    const input = inputs.subarray(i * features, (i + 1) * features)
    const point = examples.slice(i * features, (i + 1) * features)
    clean.push(labelOf(await verifier.scores(input)) === labels[i])
    const region = regionOf(threat, input)
    beyond = Math.max(beyond, threat.norm.distance(point, input) - epsilon)
    if (row.kind === 'budget') threat.norm.project(point, region)
    else clampToBox(point, region)
    const { adversarial, distance } = await judge(verifier, threat, { input, label: labels[i]! }, point)
    distances.push(clean[i] && adversarial ? distance : Number.POSITIVE_INFINITY)
  }
  return { clean, distances, beyond: Math.max(0, beyond) }
}
