/** Gradients of matrix products. */
import { RobustlyError } from '../../errors.js'
import type { GraphBuilder, Value } from '../../onnx/build.js'
import { labelSizes, parseEinsum } from '../../onnx/einsum.js'
import { sizeOf } from '../../tensor/tensor.js'
import type { GradientRules, RuleContext } from '../rule.js'

export const linear: Pick<GradientRules, 'Einsum' | 'Gemm' | 'MatMul'> = {
  // Y = A B: dA = G Bᵀ, dB = Aᵀ G; broadcast batch dimensions are summed back by the walk.
  MatMul({ b, I, G, needs }) {
    // Rank-1 operands are a row on the left and a column on the right; the product lacks their dimension.
    const left = I(0).shape.length === 1 ? b.unsqueeze(I(0), [0]) : I(0)
    const right = I(1).shape.length === 1 ? b.unsqueeze(I(1), [1]) : I(1)
    const batch = G().shape.slice(
      0,
      G().shape.length - (I(0).shape.length > 1 ? 1 : 0) - (I(1).shape.length > 1 ? 1 : 0),
    )
    const g = b.reshape(G(), [...batch, left.shape.at(-2)!, right.shape.at(-1)!])
    return [
      needs(0) ? vectorOr(b, timesTransposed(b, g, right), I(0), -2) : undefined,
      needs(1) ? vectorOr(b, transposedTimes(b, left, g, right.shape.length === 2), I(1), -1) : undefined,
    ]
  },

  Einsum: context => context.node.inputs.map((_, i) => (context.needs(i) ? toOperand(context, i) : undefined)),

  // Y = alpha A' B' + beta C, where A' is A or Aᵀ: dA' = alpha G B'ᵀ, dB' = alpha A'ᵀ G, dC = beta G.
  Gemm({ b, I, G, has, needs, attributes: { alpha, beta, transA, transB } }) {
    const product = (x: Value, y: Value, xT: boolean, yT: boolean, like: Value) =>
      b.emit('Gemm', [x, y], { alpha, transA: xT ? 1 : 0, transB: yT ? 1 : 0 }, [like])[0]!
    const [a, w, g] = [I(0), I(1), G()]
    return [
      needs(0) ? (transA ? product(w, g, transB === 1, true, a) : product(g, w, false, transB === 0, a)) : undefined,
      needs(1) ? (transB ? product(g, a, true, transA === 1, w) : product(a, g, transA === 0, false, w)) : undefined,
      has(2) && needs(2) ? (beta === 1 ? g : b.mul(g, b.scalar(beta, g.dtype))) : undefined,
    ]
  },
}

/**
 * Einsum is linear in each operand: its gradient is the Einsum of G and the other operands with the operand's labels as
 * output. Labels that stand in this operand alone were summed over, so the gradient is the same all along them.
 */
function toOperand({ node, b, I, G, attributes }: RuleContext<'Einsum'>, i: number): Value {
  const values = node.inputs.map((_, j) => I(j))
  const shapes = values.map(value => value.shape)
  const equation = parseEinsum(attributes.equation ?? '', shapes)
  const own = equation.operands[i]!
  if (new Set(own).size !== own.length) {
    throw new RobustlyError(
      'model-unsupported',
      `node "${node.name}" (Einsum "${attributes.equation}"): no gradient to an operand with a repeated label`,
      { hint: 'Only equations without diagonals have a gradient rule.' },
    )
  }
  const sizes = labelSizes(equation, shapes)
  const others = values.flatMap((value, j) => (j === i ? [] : [{ value, labels: equation.operands[j]! }]))
  const terms = [{ value: G(), labels: equation.output }, ...others]
  const wide = own.filter((label, axis) => shapes[i]![axis] === sizes.get(label))
  const known = wide.filter(label => terms.some(({ labels }) => labels.includes(label)))
  const text = `${terms.map(({ labels }) => labels.join('')).join(',')}->${known.join('')}`
  const type = { dtype: G().dtype, shape: known.map(label => sizes.get(label)!) }
  const product = b.emit(
    'Einsum',
    terms.map(({ value }) => value),
    { equation: text },
    [type],
  )[0]!
  const placed = own.map(label => (known.includes(label) ? sizes.get(label)! : 1))
  return b.expand(b.reshape(product, placed), shapes[i]!)
}

/** g wᵀ over the last two dimensions. */
function timesTransposed(b: GraphBuilder, g: Value, w: Value): Value {
  if (g.shape.length === 2 && w.shape.length === 2) return b.gemm(g, w, undefined, { transB: true })
  return b.matMul(g, swapLast(b, w))
}

/** aᵀ g over the last two dimensions; with `summed`, over all but the last as one product. */
function transposedTimes(b: GraphBuilder, a: Value, g: Value, summed: boolean): Value {
  if (!summed) return b.matMul(swapLast(b, a), g)
  const rows = (x: Value) => b.reshape(x, [sizeOf(x.shape.slice(0, -1)), x.shape.at(-1)!])
  return b.gemm(rows(a), rows(g), undefined, { transA: true })
}

function swapLast(b: GraphBuilder, x: Value): Value {
  const rank = x.shape.length
  return b.transpose(x, [...Array(rank - 2).keys(), rank - 1, rank - 2])
}

/** Takes the dimension away again that a rank-1 operand was given at `axis`. */
function vectorOr(b: GraphBuilder, gradient: Value, operand: Value, axis: number): Value {
  return operand.shape.length === 1 ? b.squeeze(gradient, [axis]) : gradient
}
