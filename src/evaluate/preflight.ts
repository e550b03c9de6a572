/**
 * Whether data and model fit together: the classic mistakes (range of values, normalisation missing or doubled, order of colours, layout,
 * labels of another order) change how often a model is right, so each is tried on the first samples. What is right on clearly more of
 * them (McNemar's exact test on the same samples, shared among all that is tried) is named with the option that mends it.
 */
import { RobustlyError } from '../errors.js'
import { labelOf } from '../model/batch-model.js'
import { applyInputPlan, type DataSpace, planInput } from '../model/data-space.js'
import { modelInputs } from '../model/inputs.js'
import type { ScoreSource } from '../model/score-source.js'
import { printable } from '../printable.js'
import type { Engine } from '../runtime/engine.js'
import type { ModelFile } from '../runtime/files.js'
import { sizeOf } from '../tensor/tensor.js'
import { pairedDifference } from './paired.js'
import { candidatesFor } from './preflight-candidates.js'
import { rate } from './rate.js'
import { openVerifier } from './verify.js'

export interface DataFindings {
  /** Samples that were looked at, and those the model is right on as the data are given now. */
  readonly count: number
  readonly correct: number
  /** Other ways into the model that are right on clearly more samples, the best first. */
  readonly better: readonly Better[]
  /** How labels and predictions differ where they do so in one way. */
  readonly labels?: string
}

export interface Better {
  /** What seems to be wrong. */
  readonly mistake: string
  /** What mends it. */
  readonly option: string
  readonly correct: number
}

export interface PreflightSamples {
  readonly inputs: Float32Array
  readonly labels: Int32Array
  readonly bound?: Float32Array | undefined
}

/** How many samples are read at most. */
export const preflightSamples = 200
const fewestSamples = 40
const seconds = 20
const rows = 16
/** Largest probability of a difference by chance, of all that is tried together. */
const level = 0.01
/** Smaller differences are no mistake. */
const leastGain = 0.03

/** Throws what running the model throws. */
export async function preflight(
  engine: Engine,
  file: ModelFile,
  space: DataSpace,
  { inputs, labels, bound }: PreflightSamples,
): Promise<DataFindings> {
  const { attacked: input } = modelInputs(file.graph, space)
  const { inputShape } = planInput(space, input)
  const own: DataSpace = {
    sampleShape: inputShape,
    dataLayout: undefined,
    modelLayout: undefined,
    mean: undefined,
    std: undefined,
    bound: space.bound,
  }
  await using verifier = await openVerifier(engine, file, own, { threads: 1, rows })
  const features = sizeOf(space.sampleShape)
  const ask = async (way: DataSpace, count: number) => {
    const plan = planInput(way, input)
    const samples = Array.from({ length: count }, (_, i) => inputs.subarray(i * features, (i + 1) * features))
    return predictions(
      verifier,
      samples.map(sample => applyInputPlan(plan, sample)),
      bound?.subarray(0, count * (space.bound?.example.length ?? 0)),
    )
  }
  const candidates = candidatesFor(space)
  const started = performance.now()
  const first = Math.min(rows, labels.length)
  await ask(space, first)
  const perSample = (performance.now() - started) / 1000 / first
  const affordable = Math.floor(seconds / perSample / (candidates.length + 4))
  const count = Math.min(labels.length, Math.max(fewestSamples, affordable))
  const now = await ask(space, count)
  const found: (Better & { readonly space: DataSpace; readonly said: readonly number[] })[] = []
  const judge = async (way: (typeof candidates)[number], tries: number) => {
    const said = await ask(way.space, count).catch(error => {
      if (error instanceof RobustlyError) return undefined
      throw error
    })
    if (said === undefined || !clearlyBetter(now, said, labels, tries)) return
    const correct = correctOf(said, labels)
    // Better than always wrong, and still no better than guessing, mends nothing.
    if (rate(correct, count).interval[0] > 1 / verifier.classes) found.push({ ...way, correct, said })
  }
  for (const way of candidates) await judge(way, candidates.length)
  found.sort((a, b) => b.correct - a.correct)
  // Two mistakes at once: what the best one leaves, tried again from there.
  const best = found[0]
  if (best !== undefined) {
    const again = candidatesFor(best.space).filter(({ second }) => second)
    for (const way of again) {
      const before = found.length
      await judge(
        { ...way, mistake: `${best.mistake}; ${way.mistake}`, option: `${best.option} ${way.option}` },
        candidates.length,
      )
      const last = found[before]
      if (last !== undefined && !clearlyBetter(best.said, last.said, labels, again.length)) found.pop()
    }
    found.sort((a, b) => b.correct - a.correct)
  }
  const mapped = labelOrder(found[0]?.said ?? now, labels, verifier.classes)
  return {
    count,
    correct: correctOf(now, labels),
    better: found.slice(0, 3).map(({ mistake, option, correct }) => ({ mistake, option, correct })),
    ...(mapped !== undefined && { labels: mapped }),
  }
}

async function predictions(
  verifier: ScoreSource,
  samples: readonly Float32Array[],
  bound: Float32Array | undefined,
): Promise<number[]> {
  const said: number[] = []
  const { classes } = verifier
  const width = (bound?.length ?? 0) / samples.length
  for (let at = 0; at < samples.length; at += rows) {
    const part = samples.slice(at, at + rows)
    const all = new Float32Array(part.length * part[0].length)
    part.forEach((sample, i) => {
      all.set(sample, i * sample.length)
    })
    const scores = await verifier.scores(all, bound?.subarray(at * width, (at + part.length) * width))
    part.forEach((_, row) => {
      said.push(labelOf(scores, row * classes, (row + 1) * classes))
    })
  }
  return said
}

function correctOf(said: readonly number[], labels: Int32Array): number {
  return said.filter((prediction, i) => prediction === labels[i]).length
}

function clearlyBetter(
  before: readonly number[],
  after: readonly number[],
  labels: Int32Array,
  tries: number,
): boolean {
  const counts = { both: 0, onlyFirst: 0, onlySecond: 0, neither: 0 }
  before.forEach((prediction, i) => {
    const [a, b] = [prediction === labels[i], after[i] === labels[i]]
    counts[a ? (b ? 'both' : 'onlyFirst') : b ? 'onlySecond' : 'neither']++
  })
  const { difference, probability } = pairedDifference(counts)
  return difference >= leastGain && probability * tries < level
}

/** Of the samples of a class, this share must go to one other class, for the classes to be in another order. */
const dominant = 0.6

/** How predictions differ from labels, when they do so in one way: all by one, or by one permutation. */
export function labelOrder(said: readonly number[], labels: Int32Array, classes: number): string | undefined {
  const count = said.length
  const shifted = (by: number) => said.filter((prediction, i) => prediction === labels[i] + by).length
  for (const by of [1, -1]) {
    if (shifted(by) < dominant * count || shifted(0) > 0.5 * shifted(by)) continue
    const why = by === 1 ? `the model's class 0 is another one (of ${classes})` : 'the labels count from 1'
    const sign = by === 1 ? '+' : '-'
    return `the model says the label ${by === 1 ? 'plus' : 'minus'} 1 on ${shifted(by)} of ${count} samples: ${why}; save y ${sign} 1, or add ${behind(`relabel=${sign}1`)}`
  }
  const votes = new Map<number, Map<number, number>>()
  said.forEach((prediction, i) => {
    const of = votes.get(labels[i]) ?? new Map<number, number>()
    votes.set(labels[i], of.set(prediction, (of.get(prediction) ?? 0) + 1))
  })
  const pairs = [...votes].map(([label, of]) => {
    const [to, most] = [...of].reduce((best, each) => (each[1] > best[1] ? each : best))
    return { label, to, most }
  })
  const agreed = pairs.reduce((sum, { most }) => sum + most, 0)
  const isPermutation = new Set(pairs.map(({ to }) => to)).size === pairs.length
  if (!isPermutation || pairs.length < 2 || agreed < dominant * count || shifted(0) > 0.5 * agreed) return undefined
  const moved = pairs.filter(({ label, to }) => label !== to).sort((a, b) => a.label - b.label)
  const shown = moved.slice(0, 8).map(({ label, to }) => `${label} as ${to}`)
  const moves = `the classes are in another order: the model knows label ${shown.join(', ')}${moved.length > 8 ? ', …' : ''} (${agreed} of ${count} samples)`
  const order = pairs.toSorted((a, b) => a.label - b.label)
  const complete = order.every(({ label }, at) => label === at) && order.length <= mostNamed
  return complete ? `${moves}; add ${behind(`relabel=${order.map(({ to }) => to).join(':')}`)}` : moves
}

/** Longer lists are no help on a screen. */
const mostNamed = 50

const behind = (said: string) => `:${said} behind the path of the data`

/** What was found, a sentence each; empty when nothing is wrong. */
export function findingsInWords({ count, correct, better, labels }: DataFindings): string[] {
  const lines = better.map(
    each =>
      `${each.mistake}: with ${each.option} the model is right on ${each.correct} of ${count} samples, not ${correct}`,
  )
  return [...lines, ...(labels === undefined ? [] : [printable(labels, 400)])]
}
