/**
 * Searches where features have units of their own: the attack works on y = c + (x - c) / s around the sample c, where plain Linf with
 * the same epsilon is the threat model, so that none needs code for it. Points go out as x, gradients come back as g s.
 */
import { constrainedBox } from '../threat/constraints.js'
import { norms, type ThreatModel } from '../threat/threat.js'
import type { Answer, Attack, Sample, Steps } from './attack.js'

interface Start {
  readonly attack: Attack
  readonly sample: Sample
  readonly threat: ThreatModel
  readonly options: unknown
  readonly random: Parameters<Attack['search']>[3]
  readonly prepared?: Float32Array | undefined
}

/** The attack's search; in the units of the features where the norm has some. */
export function searchOf({ attack, sample, threat, options, random, prepared }: Start): Steps<'gradients'> {
  const { scales } = threat.norm
  if (scales === undefined) return attack.search(sample, threat, options, random, prepared) as Steps<'gradients'>
  const { input: center } = sample
  const toUnits = (x: number, i: number) => (scales[i] === 0 ? center[i] : center[i] + (x - center[i]) / scales[i])
  const bounds = threat.constraints === undefined ? threat.box : constrainedBox(threat.constraints, center, threat.box)
  const boundary = (bound: number | Float32Array) =>
    Float32Array.from(center, (_, i) => toUnits(typeof bound === 'number' ? bound : bound[i], i))
  const inUnits: ThreatModel = {
    ...threat,
    norm: norms.Linf,
    box: { low: boundary(bounds.low), high: boundary(bounds.high) },
    constraints: undefined,
  }
  const universal = prepared?.map((value, i) => (scales[i] === 0 ? 0 : value / scales[i]))
  return translated(attack.search(sample, inUnits, options, random, universal) as Steps<'gradients'>, center, scales)
}

function* translated(steps: Steps<'gradients'>, center: Float32Array, scales: Float64Array): Steps<'gradients'> {
  /** Points are known by their arrays, which attacks fill again and again. */
  const places = new WeakMap<Float32Array, Float32Array>()
  const fromUnits = (point: Float32Array): Float32Array => {
    const out = places.get(point) ?? new Float32Array(point.length)
    places.set(point, out)
    for (let i = 0; i < out.length; i++) out[i] = center[i] + (point[i] - center[i]) * scales[i]
    return out
  }
  let answer: Answer = []
  try {
    for (;;) {
      const step = steps.next(answer)
      if (step.done) return step.value && fromUnits(step.value)
      answer = yield { ...step.value, points: step.value.points.map(fromUnits) }
      if (step.value.ask !== 'gradients') continue
      for (const { gradient } of answer) for (let i = 0; i < scales.length; i++) gradient![i] *= scales[i]
    }
  } finally {
    steps.return(undefined)
  }
}
