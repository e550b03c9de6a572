import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bfloatOfFloat, elementsFor, floatOfHalf, halfOfFloat, toFloat32, writeFloats } from './convert.js'

/** Every float16 value in ascending order, by the definition of the format. */
const finite = Array.from({ length: 0x7c00 }, (_, bits) => floatOfHalf(bits))

describe('half floats', () => {
  it('patterns and values belong together, all 65,536 of them', () => {
    const wrong = Array.from({ length: 0x10000 }, (_, bits) => bits).filter(bits => {
      const value = floatOfHalf(bits)
      return Number.isNaN(value) ? !Number.isNaN(floatOfHalf(halfOfFloat(value))) : halfOfFloat(value) !== bits
    })
    expect(wrong).toEqual([])
  })

  it.each([
    [1, 0x3c00],
    [-2, 0xc000],
    [65504, 0x7bff],
    [65519.996, 0x7bff],
    [65520, 0x7c00],
    [2 ** -24, 1],
    [2 ** -25, 0],
    [3 * 2 ** -25, 2],
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [-0, 0x8000],
    [Number.NEGATIVE_INFINITY, 0xfc00],
  ])('%s is the pattern %s', (value, bits) => {
    expect(halfOfFloat(value)).toBe(bits)
  })

  it('rounding goes to the nearest, and to the even one of two', () => {
    fc.assert(
      fc.property(fc.float({ min: Math.fround(-65000), max: 65000, noNaN: true }), value => {
        const bits = halfOfFloat(value)
        const near = [bits - 1, bits, bits + 1].filter(
          each => (each & 0x7fff) < 0x7c00 && (each & 0x8000) === (bits & 0x8000),
        )
        const off = Math.abs(floatOfHalf(bits) - value)
        for (const each of near) {
          const other = Math.abs(floatOfHalf(each) - value)
          expect(other).toBeGreaterThanOrEqual(off)
          if (other === off && each !== bits) expect(bits % 2).toBe(0)
        }
      }),
    )
    expect(finite.at(-1)).toBe(65504)
  })

  it('bfloat16 keeps the upper half of a float32, rounded', () => {
    const values = [1, -3.140625, 1 + 2 ** -8, 1 + 3 * 2 ** -8, Number.POSITIVE_INFINITY, Number.NaN]
    const bits = Uint16Array.from(values, bfloatOfFloat)
    expect([...toFloat32('bfloat16', bits)]).toEqual([1, -3.140625, 1, 1.015625, Number.POSITIVE_INFINITY, Number.NaN])
  })
})

describe('other element types', () => {
  it('integers are rounded to even and clamped', () => {
    const to = elementsFor('uint8', 7)
    writeFloats('uint8', Float32Array.of(0.5, 1.5, 2.4, -3, 300, Number.NaN), to, 1)
    expect([...to]).toEqual([0, 0, 2, 2, 0, 255, 0])
    const wide = elementsFor('int64', 2)
    writeFloats('int64', Float32Array.of(-2.5, 7), wide)
    expect([...wide]).toEqual([-2n, 7n])
    expect([...toFloat32('int64', wide)]).toEqual([-2, 7])
  })

  it('float64 comes back as float32', () => {
    const to = elementsFor('float64', 1)
    writeFloats('float64', Float32Array.of(0.1), to)
    expect(to[0]).toBe(Math.fround(0.1))
    expect([...toFloat32('float64', Float64Array.of(0.1))]).toEqual([Math.fround(0.1)])
  })
})
