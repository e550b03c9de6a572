/** The equation of Einsum, read: one label per axis. Source: the ONNX operator specification of Einsum. */
import { RobustlyError } from '../errors.js'
import type { Shape } from '../tensor/tensor.js'

export interface Equation {
  /** Labels of each operand's axes; those that an ellipsis stands for are capital letters that occur nowhere else. */
  readonly operands: readonly (readonly string[])[]
  readonly output: readonly string[]
}

/** Labels of operands of these shapes. Throws `model-invalid` for what is no equation of so many axes. */
export function parseEinsum(equation: string, shapes: readonly Shape[]): Equation {
  const [left = '', right] = equation.replaceAll(' ', '').split('->')
  const terms = left.split(',')
  const wrong = () =>
    new RobustlyError(
      'model-invalid',
      `Einsum "${equation}" does not fit operands of the shapes [${shapes.join('], [')}]`,
    )
  if (terms.length !== shapes.length) throw wrong()
  const dots = terms.map((term, i) => (term.includes('...') ? shapes[i]!.length - (term.length - 3) : 0))
  const spare = [...'ZYXWVUTSRQPONMLKJIHGFEDCBA'].filter(letter => !equation.includes(letter))
  const wide = spare.slice(0, Math.max(0, ...dots)).reverse()
  const operands = terms.map((term, i) => {
    // Dimensions of an ellipsis are aligned at their ends, as in broadcasting.
    const labels = [...term.replace('...', wide.slice(wide.length - Math.max(0, dots[i]!)).join(''))]
    if (labels.length !== shapes[i]!.length) throw wrong()
    return labels
  })
  return { operands, output: [...(right?.replace('...', wide.join('')) ?? implied(terms, wide))] }
}

/** The equation with its output written out. Without "->" and with an ellipsis it stays as it is: ranks are needed. */
export function withOutput(equation: string): string {
  const text = equation.replaceAll(' ', '')
  return text.includes('->') || text.includes('...') ? text : `${text}->${implied(text.split(','), [])}`
}

/** Without "->": the ellipsis, then what occurs once, in alphabetical order. */
function implied(terms: readonly string[], wide: readonly string[]): string {
  const letters = [...terms.join('').replaceAll('.', '')]
  const once = letters.filter(letter => letters.indexOf(letter) === letters.lastIndexOf(letter))
  return wide.join('') + once.sort().join('')
}

/** Length of the axis behind each label: the largest, where operands of length 1 are broadcast. */
export function labelSizes({ operands }: Equation, shapes: readonly Shape[]): Map<string, number> {
  const sizes = new Map<string, number>()
  operands.forEach((labels, i) => {
    labels.forEach((label, axis) => {
      const dim = shapes[i]![axis]!
      const known = sizes.get(label) ?? 1
      if (dim !== 1 && known !== 1 && dim !== known) {
        throw new RobustlyError('model-invalid', `Einsum: axis "${label}" has the lengths ${known} and ${dim}`)
      }
      sizes.set(label, Math.max(dim, known))
    })
  })
  return sizes
}
