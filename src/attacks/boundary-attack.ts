/**
 * Boundary Attack: a random walk along the boundary, each step first on the sphere around the input, then towards it, with step sizes
 * that follow the rate of success. Brendel, Rauber, Bethge, "Decision-based adversarial attacks: reliable attacks against black-box
 * machine learning models" (ICLR 2018).
 *
 * Differences from the reference implementation (foolbox): starting points of several kinds, drawn to the boundary before the walk begins.
 */
import { z } from 'zod'
import { clampToBox } from '../threat/norm.js'
import { defineAttack } from './attack.js'
import { askLabels, startingPoint, starts, toBoundary } from './decision.js'
import { boxOf, nearestTo } from './nearest.js'

export const boundaryOptions = z.strictObject({
  steps: z.int().min(1).max(10_000_000).default(25_000).describe('steps of the walk'),
  sphericalStep: z.number().positive().default(0.01).describe('first step on the sphere, as a share of the distance'),
  sourceStep: z.number().positive().default(0.01).describe('first step towards the input, as a share of the distance'),
  convergence: z.number().min(0).default(1e-7).describe('step towards the input at which the walk ends'),
  adaptation: z.number().gt(1).default(1.5).describe('factor by which step sizes change'),
  checkEvery: z.int().min(1).default(10).describe('steps between two looks at the sphere alone'),
  starts,
})

export const boundary = defineAttack({
  name: 'boundary',
  paper: 'Brendel, Rauber, Bethge, Decision-based adversarial attacks, ICLR 2018',
  access: 'labels',
  norms: ['L2'],
  kind: 'minimum',
  options: boundaryOptions,
  losses: () => [],
  *search(sample, threat, options, random) {
    const { input } = sample
    const stream = random(0)
    const nearest = nearestTo(sample, threat)
    const point = yield* startingPoint(sample, threat, nearest, options.starts, stream)
    if (point === undefined) return undefined
    yield* toBoundary(sample, threat, nearest, point, 1e-3)
    const box = boxOf(sample, threat)
    const onSphere = new Float32Array(input.length)
    const nearer = new Float32Array(input.length)
    const noise = new Float64Array(input.length)
    const sphereRate = successRate(100)
    const sourceRate = successRate(30)
    let sphericalStep = options.sphericalStep
    let sourceStep = options.sourceStep

    /** Orthogonal noise around the input at the present distance, then the step towards the input. */
    function propose(): void {
      const distance = threat.norm.distance(point!, input)
      let along = 0
      stream.normals(noise)
      for (let i = 0; i < noise.length; i++) {
        along += (noise[i] * (input[i] - point![i])) / (distance * distance)
      }
      let length = 0
      for (let i = 0; i < noise.length; i++) {
        noise[i] -= along * (input[i] - point![i])
        length += noise[i] * noise[i]
      }
      const scale = length > 0 ? (sphericalStep * distance) / Math.sqrt(length) : 0
      const shrink = 1 / Math.sqrt(sphericalStep * sphericalStep + 1)
      for (let i = 0; i < noise.length; i++) {
        onSphere[i] = input[i] + shrink * (scale * noise[i] + point![i] - input[i])
      }
      clampToBox(onSphere, box)
      const reached = threat.norm.distance(onSphere, input)
      const share = reached > 0 ? Math.max(0, sourceStep * distance + reached - distance) / reached : 0
      for (let i = 0; i < noise.length; i++) nearer[i] = onSphere[i] + share * (input[i] - onSphere[i])
      clampToBox(nearer, box)
    }

    for (let step = 1; step <= options.steps; step++) {
      if (!(threat.norm.distance(point, input) > 0) || sourceStep < options.convergence) break
      propose()
      const checks = step % options.checkEvery === 0
      const replies = yield* askLabels(checks ? [nearer, onSphere] : [nearer])
      const better = nearest.offer(nearer, replies[0].label)
      if (better && threat.norm.distance(nearer, input) < threat.norm.distance(point, input)) point.set(nearer)
      if (!checks) continue
      sphereRate.add(nearest.offer(onSphere, replies[1].label))
      sourceRate.add(better)
      const sphere = sphereRate.rate()
      if (sphere !== undefined && (sphere > 0.5 || sphere < 0.2)) {
        const factor = sphere > 0.5 ? options.adaptation : 1 / options.adaptation
        sphericalStep *= factor
        sourceStep *= factor
        sphereRate.clear()
      }
      const source = sourceRate.rate()
      if (source !== undefined && (source > 0.25 || source < 0.1)) {
        sourceStep *= source > 0.25 ? options.adaptation : 1 / options.adaptation
        sourceRate.clear()
      }
    }
    return nearest.point
  },
})

/** The share of successes among the last `size`; undefined before there were so many. */
function successRate(size: number) {
  let last: boolean[] = []
  return {
    add(success: boolean) {
      last.push(success)
      if (last.length > size) last.shift()
    },
    rate: () => (last.length < size ? undefined : last.filter(success => success).length / size),
    clear() {
      last = []
    },
  }
}
