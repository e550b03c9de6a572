/** Gradients of matrix products. */
import type { GraphBuilder, Value } from '../../onnx/build.js'
import { sizeOf } from '../../tensor/tensor.js'
import type { GradientRules } from '../rule.js'

export const linear: Pick<GradientRules, 'Gemm' | 'MatMul'> = {
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
