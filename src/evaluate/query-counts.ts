/**
 * What attacks ask of a model that never gives in. No attack knows a formula for it: each is run on one sample against a stand-in that
 * answers at once, and its queries are counted.
 */
import type { Answer, GradientReply } from '../attacks/attack.js'
import { attacks } from '../attacks/index.js'
import { randomStream } from '../random.js'
import type { Shape } from '../tensor/tensor.js'
import type { NormName } from '../threat/norm.js'
import { norms, type ThreatModel } from '../threat/threat.js'
import { randomSample } from './compare.js'
import type { PlannedAttack } from './spec.js'

export interface QueryCounts {
  readonly forward: number
  readonly gradient: number
}

/** Usual sizes of a perturbation: what an attack asks depends on them little or not at all. */
const epsilons: Readonly<Record<NormName, number>> = { Linf: 8 / 255, L2: 0.5, L1: 12, L0: 10 }

/** Of the stand-in's samples: how many queries there are hardly depends on their size. */
const longestSide = 8
/** Two numbers of classes from which larger ones follow: queries are constant in it, or so many for each class. */
const [few, some] = [10, 20]

/** What an attack asks about one sample at most; preparations are not counted. */
export function queriesOf(planned: PlannedAttack, norm: NormName, sampleShape: Shape, classes: number): QueryCounts {
  const shape = sampleShape.map(dim => Math.min(dim, longestSide))
  if (classes <= some) return driven(planned, norm, shape, classes)
  const [low, high] = [driven(planned, norm, shape, few), driven(planned, norm, shape, some)]
  const extended = (kind: keyof QueryCounts) => low[kind] + ((high[kind] - low[kind]) * (classes - few)) / (some - few)
  return { forward: extended('forward'), gradient: extended('gradient') }
}

/** Runs an attack on a stand-in that says the label everywhere within twice epsilon. */
function driven({ name, options }: PlannedAttack, norm: NormName, shape: Shape, classes: number): QueryCounts {
  const attack = attacks.get(name)!
  const input = randomSample(shape, 0)
  const epsilon = Math.min(epsilons[norm], input.length / 2)
  const threat: ThreatModel = { norm: norms[norm], epsilon, epsilonText: `${epsilon}`, box: { low: 0, high: 1 } }
  const gradient = randomSample(shape, 1).map(value => value - 0.5)
  const answer = (point: Float32Array): GradientReply => {
    const past = threat.norm.distance(point, input) / (2 * epsilon) - 1
    const logits = new Float32Array(classes).fill(-2)
    logits[0] = 0
    logits[1] = past
    return { label: past > 0 ? 1 : 0, logits, loss: past, gradient: gradient.slice() }
  }
  const random = (restart: number) => randomStream(0, 0, name, restart)
  const steps = attack.search({ index: 0, input, shape, label: 0, classes }, threat, options, random)
  const queries = { forward: 0, gradient: 0 }
  for (let answers: Answer = []; ; ) {
    const step = steps.next(answers)
    if (step.done) return queries
    const { ask, points } = step.value
    queries[ask === 'gradients' ? 'gradient' : 'forward'] += points.length
    answers = points.map(answer)
  }
}
