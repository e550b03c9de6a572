/**
 * Surrogate gradients: what stands in where the true gradient is zero almost everywhere, so that attacks that follow it
 * would see a flat model (backward pass differentiable approximation: Athalye, Carlini, Wagner, Obfuscated gradients give
 * a false sense of security, ICML 2018). The forward pass stays the model's own. Operators whose output is an index or a
 * choice (ArgMax, Hardmax) and comparisons have no entry: nothing sensible flows back through them.
 */
import type { Node, TypedGraph } from '../onnx/graph.js'
import type { OperatorName } from '../onnx/operators.js'
import { gradientPath } from './gradient.js'
import type { GradientEntry, GradientRule, GradientRules, RuleContext } from './rule.js'
import { gradientRules } from './rules/index.js'

/** 'on': surrogates stand in. 'off': their operators are refused. 'zero': nothing flows back, as in a framework without them. */
export type Surrogates = 'on' | 'off' | 'zero'

interface Surrogate<O extends OperatorName> {
  readonly rule: GradientRule<O>
  /** What stands in for the gradient, to follow "its gradient is replaced by". */
  readonly by: string
  /** Whether the node is a step at all; default: always. */
  readonly applies?: (node: Node, graph: TypedGraph) => boolean
}

/** The straight-through estimator: Bengio, Léonard, Courville, arXiv:1308.3432. */
const straightThrough = {
  rule: ({ G }: RuleContext<OperatorName>) => [G()],
  by: 'that of the identity (straight-through)',
}

const surrogates: { readonly [O in OperatorName]?: Surrogate<O> } = {
  Round: straightThrough,
  Floor: straightThrough,
  Ceil: straightThrough,
  Sign: { rule: softSign, by: 'that of x / (s + |x|) with s the mean |x| of the sample' },
  Cast: {
    rule: ({ b, I, G }) => [isFloat(I(0).dtype) ? b.cast(G(), I(0).dtype) : G()],
    by: 'that of the identity (straight-through)',
    // Booleans stay refused: a condition is no number that was rounded.
    applies: (node, graph) => [...node.inputs, ...node.outputs].some(name => isWhole(graph.types.get(name)?.dtype)),
  },
}

/**
 * y = sign(x) as x / (s + |x|): G s / (s + |x|)², with s = mean |x| over all but the batch.
 * The usual choice, G where |x| ≤ 1, is zero for every unit that is not close to its threshold: in networks without batch
 * normalisation |x| reaches hundreds, and exports of the form sign(sign(x) + 0.1) put half of all units at 1.1. This slope
 * is largest at the threshold, never zero, and means the same at any scale of the activations.
 */
function softSign({ b, I, G }: RuleContext<'Sign'>) {
  const x = I(0)
  const size = b.abs(x)
  const axes = x.shape.map((_, axis) => axis).slice(1)
  const one = b.scalar(1, x.dtype)
  // A sample of zeros alone: any positive scale will do.
  const mean = axes.length === 0 ? one : b.reduceMean(size, axes, true)
  const scale = b.where(b.greater(mean, b.scalar(0, x.dtype)), mean, one)
  const root = b.add(scale, size)
  return [b.mul(G(), b.div(scale, b.mul(root, root)))]
}

function isFloat(dtype: string | undefined): boolean {
  return dtype === 'float32' || dtype === 'float64'
}

function isWhole(dtype: string | undefined): boolean {
  return dtype !== undefined && /^u?int/.test(dtype)
}

/** The gradient rules with surrogates on, off (the plain table) or taken as zero. */
export function rulesWith(mode: Surrogates): GradientRules {
  return mode === 'off' ? gradientRules : tables[mode]
}

const tables: Readonly<Record<'on' | 'zero', GradientRules>> = { on: tableOf('on'), zero: tableOf('zero') }

function tableOf(mode: 'on' | 'zero'): GradientRules {
  const entries = Object.entries(surrogates).flatMap(([op, surrogate]): [string, GradientEntry<never>][] => {
    if (mode === 'on') return [[op, surrogate.rule as GradientRule<never>]]
    return surrogate.applies === undefined ? [[op, 'constant']] : []
  })
  return { ...gradientRules, ...Object.fromEntries(entries) } as GradientRules
}

/** The nodes between the graph's input and its first output whose gradient is a surrogate, with what stands in. */
export function surrogatesIn(graph: TypedGraph): { readonly node: Node; readonly by: string }[] {
  const path = gradientPath(graph, rulesWith('on'))
  return path.flatMap(node => {
    const surrogate = surrogates[node.op as OperatorName] as Surrogate<OperatorName> | undefined
    if (surrogate === undefined || surrogate.applies?.(node, graph) === false) return []
    return [{ node, by: surrogate.by }]
  })
}
