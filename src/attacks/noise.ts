/**
 * Random noise of exactly the radius, the baseline that every attack must beat: uniform and Gaussian directions. As foolbox's repeated
 * additive noise attacks; a direction is scaled to length epsilon in the threat model's norm, then projected onto the box.
 */
import { z } from 'zod'
import type { Random } from '../random.js'
import type { Norm, Region } from '../threat/norm.js'
import { regionOf } from '../threat/threat.js'
import { askLabel, defineAttack } from './attack.js'

export const noiseOptions = z.strictObject({
  repeats: z.int().min(1).max(1_000_000).default(100).describe('points drawn'),
})

export const uniformNoise = noise('uniform-noise', random => 2 * random.uniform() - 1)
export const gaussianNoise = noise('gaussian-noise', random => random.normal())

function noise(name: string, draw: (random: Random) => number) {
  return defineAttack({
    name,
    paper: 'Rauber, Brendel, Bethge, Foolbox, ICML 2017 workshop (additive noise)',
    access: 'labels',
    norms: ['Linf', 'L2', 'L1'],
    kind: 'budget',
    family: 'noise',
    options: noiseOptions,
    losses: () => [],
    *search(sample, threat, { repeats }, random) {
      const region = regionOf(threat, sample.input)
      const stream = random(0)
      const point = new Float32Array(sample.input.length)
      for (let repeat = 0; repeat < repeats; repeat++) {
        scatter(threat.norm, region, () => draw(stream), point)
        const { label } = yield* askLabel(point)
        if (label !== sample.label) return point
      }
      return point
    },
  })
}

/** out = the center plus a direction of length epsilon, inside the box. */
function scatter(norm: Norm, region: Region, draw: () => number, out: Float32Array): void {
  const { center, epsilon } = region
  const zero = new Float32Array(center.length)
  const direction = zero.map(draw)
  const length = norm.distance(direction, zero)
  const scale = length > 0 ? epsilon / length : 0
  for (let i = 0; i < out.length; i++) out[i] = center[i] + scale * direction[i]
  norm.project(out, region)
}
