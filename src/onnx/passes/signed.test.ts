/** Signs that only turn a magnitude about need no surrogate; others keep theirs. */
import { describe, expect, it } from 'vitest'
import { differentiate, gradientName } from '../../autodiff/gradient.js'
import { rulesWith, surrogatesIn } from '../../autodiff/surrogates.js'
import { float32, toNumbers } from '../../tensor/tensor.js'
import { GraphBuilder, type Value } from '../build.js'
import { evaluate } from '../reference/evaluate.js'
import { comparedSigns } from './signed.js'

type Magnitude = (b: GraphBuilder, size: Value) => Value

function graphOf(magnitude: Magnitude) {
  const b = new GraphBuilder('signed')
  const x = b.input('x', 'float32', [1, 4])
  b.output(b.mul(b.sign(x), magnitude(b, b.abs(x))), 'y')
  return b.build()
}

const scalar = (b: GraphBuilder, value: number) => b.scalar(value, 'float32')
const points = [-2, -0.5, 0.25, 3]

function run(graph: ReturnType<typeof graphOf>, name: string) {
  return toNumbers(evaluate(graph, new Map([['x', float32(points, [1, 4])]])).get(name)!)
}

describe('comparedSigns', () => {
  it.each<[string, Magnitude, (size: number) => number]>([
    ['a signed root', (b, size) => b.sqrt(b.add(size, scalar(b, 0.01))), size => 0.5 / Math.sqrt(size + 0.01)],
    ['an Lp pool', (b, size) => b.pow(b.mul(b.relu(size), scalar(b, 4)), scalar(b, 3)), size => 192 * size ** 2],
    ['a soft threshold', (b, size) => b.relu(b.sub(size, scalar(b, 0.3))), size => (size > 0.3 ? 1 : 0)],
    ['|x| itself', (_, size) => size, () => 1],
  ])('%s has its own gradient', (_, magnitude, slope) => {
    const graph = graphOf(magnitude)
    const compared = comparedSigns(graph)
    expect(surrogatesIn(graph)).toHaveLength(1)
    expect(surrogatesIn(compared)).toEqual([])
    expect(run(compared, 'y')).toEqual(run(graph, 'y'))
    const b = new GraphBuilder(compared)
    const [gradient] = differentiate(b, b.value('y'), [b.value('x')], { rules: rulesWith('on') })
    b.output(gradient!, gradientName('x'))
    expect(run(b.build(), gradientName('x'))).toEqual(points.map(x => expect.closeTo(slope(Math.abs(x)), 5)))
  })

  it.each<[string, Magnitude]>([
    ['the mean of all', (b, size) => b.reduceMean(size, [1], true)],
    ['a layer', (b, size) => b.matMul(size, b.constant(float32(new Float32Array(16).fill(0.5), [4, 4])))],
    ['another value', (b, size) => b.mul(size, b.exp(size))],
  ])('a Sign times %s stays', (_, magnitude) => {
    const graph = graphOf(magnitude)
    expect(comparedSigns(graph)).toBe(graph)
  })

  it('a Sign that is used elsewhere too stays', () => {
    const b = new GraphBuilder('both')
    const x = b.input('x', 'float32', [1, 4])
    const sign = b.sign(x)
    b.output(b.add(b.mul(sign, b.abs(x)), sign), 'y')
    const graph = b.build()
    expect(comparedSigns(graph)).toBe(graph)
  })
})
