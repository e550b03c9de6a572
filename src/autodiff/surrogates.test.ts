/** Surrogate gradients: what they are, where they apply, and that nothing changes without them. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RobustlyError } from '../errors.js'
import { GraphBuilder, type Value } from '../onnx/build.js'
import { evaluate } from '../onnx/reference/evaluate.js'
import { float32, toNumbers } from '../tensor/tensor.js'
import { differentiate, gradientName } from './gradient.js'
import { rulesWith, type Surrogates, surrogatesIn } from './surrogates.js'

/** Gradient of sum(weights * f(x)) with the mode's rules; undefined where nothing flows. */
function gradientOf(f: (b: GraphBuilder, x: Value) => Value, x: number[][], mode: Surrogates): number[] | undefined {
  const b = new GraphBuilder('f')
  const shape = [x.length, x[0]!.length]
  const input = b.input('x', 'float32', shape)
  const output = b.output(f(b, input), 'y')
  const [gradient] = differentiate(b, output, [input], { rules: rulesWith(mode) })
  if (gradient === undefined) return undefined
  b.output(gradient, gradientName('x'))
  const values = evaluate(b.build(), new Map([['x', float32(x.flat(), shape)]]))
  return toNumbers(values.get(gradientName('x'))!)
}

const steps = ['Round', 'Floor', 'Ceil', 'Sign'] as const

describe('surrogate gradients', () => {
  it.each(['Round', 'Floor', 'Ceil'] as const)('%s is passed straight through', op => {
    const f = (b: GraphBuilder, x: Value) => b.mul(b.unary(op, x), b.scalar(3, 'float32'))
    expect(gradientOf(f, [[0.2, -1.7, 2.5]], 'on')).toEqual([3, 3, 3])
  })

  it('a number that is cut to a whole one and made a float again is passed straight through', () => {
    const f = (b: GraphBuilder, x: Value) => b.mul(b.cast(b.cast(x, 'int32'), 'float32'), b.scalar(2, 'float32'))
    expect(gradientOf(f, [[0.2, -1.7]], 'on')).toEqual([2, 2])
  })

  it('Sign is steepest at its threshold and flat nowhere, by s / (s + |x|)² with the mean s of each sample', () => {
    const gradient = gradientOf(
      (b, x) => b.sign(x),
      [
        [0, -4, 8],
        [0, 0, 0],
      ],
      'on',
    )
    const slope = (x: number) => 4 / (4 + x) ** 2
    const expected = [slope(0), slope(4), slope(8), 1, 1, 1]
    expect(gradient).toEqual(expected.map(value => expect.closeTo(value, 6)))
  })

  it("the scale of a sample's activations scales the surrogate of Sign, and changes nothing else", () => {
    const sample = fc.array(fc.integer({ min: -8, max: 8 }), { minLength: 3, maxLength: 6 })
    fc.assert(
      fc.property(sample, fc.constantFrom(0.25, 8, 1024), (x, scale) => {
        const plain = gradientOf((b, value) => b.sign(value), [x], 'on')!
        const scaled = gradientOf((b, value) => b.sign(value), [x.map(value => value * scale)], 'on')!
        const factor = x.every(value => value === 0) ? 1 : scale
        scaled.forEach((value, i) => {
          expect(value).toBeCloseTo(plain[i]! / factor, 8)
        })
      }),
      { numRuns: 40 },
    )
  })

  it.each(steps)('%s is refused without surrogates, and flat when taken as zero', op => {
    const f = (b: GraphBuilder, x: Value) => b.unary(op, x)
    expect(() => gradientOf(f, [[0.2]], 'off')).toThrow(RobustlyError)
    expect(gradientOf(f, [[0.2]], 'zero')).toBeUndefined()
  })

  it('what has a gradient keeps it', () => {
    const f = (b: GraphBuilder, x: Value) => b.mul(b.tanh(x), b.cast(b.cast(x, 'float64'), 'float32'))
    const x = [[0.3, -0.7]]
    expect(gradientOf(f, x, 'on')).toEqual(gradientOf(f, x, 'off'))
  })

  it('only steps between input and output are named', () => {
    const b = new GraphBuilder('f')
    const x = b.input('x', 'float32', [1, 3])
    b.sign(b.neg(x))
    const rounded = b.round(b.cast(b.cast(x, 'float64'), 'float32'))
    b.output(b.cast(b.cast(rounded, 'int64'), 'float32'), 'y')
    expect(surrogatesIn(b.build(['Sign_1'])).map(({ node }) => node.op)).toEqual(['Round', 'Cast', 'Cast'])
  })
})
