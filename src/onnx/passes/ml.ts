/**
 * Operators of ai.onnx.ml, which scikit-learn's exporters write. Those that are arithmetic are written out with ai.onnx
 * operators, so that gradients flow: Scaler, Normalizer, Imputer, FeatureVectorizer, Binarizer, ArrayFeatureExtractor,
 * LinearRegressor and LinearClassifier. What is left has no gradient, some of it by nature: the scores of a tree ensemble are steps.
 * Source: the ONNX operator specification (Operators-ml.md), and ONNX Runtime where that is silent.
 */
import { float32, int64 } from '../../tensor/tensor.js'
import type { Attribute, Graph, Node } from '../graph.js'
import { elementTypes } from '../operators.js'
import { Additions, attributeOf, intAttribute, makeNode, namesOf, type Rewritten, withoutUnused } from './pass.js'

const domain = 'ai.onnx.ml'

/** The same function with the operators above written out; a node whose labels are used, or of another form, stays. */
export function standardOperators(graph: Graph): Rewritten {
  if (!graph.nodes.some(node => node.domain === domain)) return { graph, notes: [] }
  const used = new Set([...graph.nodes.flatMap(node => node.inputs), ...graph.outputs.map(output => output.name)])
  const writer = new Writer(new Additions(namesOf(graph)), used)
  const written = new Set<string>()
  for (const node of graph.nodes) {
    const rule = node.domain === domain ? rules[node.op] : undefined
    if (rule?.(writer, node) === true) written.add(node.op)
    else writer.nodes.push(node)
  }
  if (written.size === 0) return { graph, notes: [] }
  const initializers = new Map([...graph.initializers, ...writer.additions.constants])
  const rewritten = withoutUnused({ ...graph, nodes: writer.nodes, initializers })
  return { graph: rewritten, notes: [`${[...written].join(', ')} were written out as arithmetic with gradients.`] }
}

export interface NoGradient {
  /** One sentence. */
  readonly why: string
  /** Operators in the way, with the names of their nodes. */
  readonly missing: ReadonlyMap<string, readonly string[]>
}

/** Why no gradient can be had of a graph with operators of ai.onnx.ml left; undefined when there are none. */
export function noGradientOf(graph: Graph): NoGradient | undefined {
  const left = graph.nodes.filter(node => node.domain === domain)
  if (left.length === 0) return undefined
  const missing = new Map<string, string[]>()
  for (const { op, name } of left) missing.set(`${domain}.${op}`, [...(missing.get(`${domain}.${op}`) ?? []), name])
  const what = left.some(({ op }) => op.startsWith('TreeEnsemble'))
    ? 'No white-box attack exists for a tree ensemble'
    : `There are no gradients through ${left[0]!.op}`
  return { missing, why: `${what} (node "${left[0]!.name}"); attacks by scores or labels work.` }
}

/** Collects the nodes of the new graph; values are names. */
class Writer {
  readonly nodes: Node[] = []
  readonly additions: Additions
  readonly #used: ReadonlySet<string>
  /** What each row of a value is softmax of, or sigmoid of: a normalisation that follows may fold into it. */
  readonly sigmoids = new Map<string, string>()
  readonly softmaxes = new Set<string>()

  constructor(additions: Additions, used: ReadonlySet<string>) {
    this.additions = additions
    this.#used = used
  }

  isUsed(name: string | undefined): boolean {
    return name !== undefined && name !== '' && this.#used.has(name)
  }

  floats(values: readonly number[], shape: readonly number[], wish: string): string {
    return this.additions.constant(float32(values, shape), wish)
  }

  integers(values: readonly number[], wish: string): string {
    return this.additions.constant(int64(values), wish)
  }

  /** Emits a node; its output is `to`, or a new value named after it. */
  emit(
    op: string,
    inputs: readonly string[],
    of: Node,
    to?: string,
    attributes: Record<string, Attribute> = {},
  ): string {
    const output = to ?? this.additions.fresh(`${of.outputs.find(name => name !== '') ?? of.name}/${op}`)
    this.nodes.push({ ...makeNode(op, inputs, [output], attributes), name: of.name })
    return output
  }
}

/** Writes a node out; false when it cannot. */
type Rule = (writer: Writer, node: Node) => boolean

const rules: Readonly<Record<string, Rule>> = {
  // y = (x - offset) scale, each one number or one per feature
  Scaler(w, node) {
    const [offset, scale] = ['offset', 'scale'].map(name => attributeOf(node, name, 'floats'))
    let x = asFloats(w, node, node.inputs[0]!)
    if (offset !== undefined) x = w.emit('Sub', [x, w.floats(offset, [offset.length], `${node.name}/offset`)], node)
    const factors = scale ?? [1]
    w.emit('Mul', [x, w.floats(factors, [factors.length], `${node.name}/scale`)], node, node.outputs[0])
    return true
  },

  // y = x / n with n = max x, Σ|x| or √Σx² of each row, and 1 where that is zero
  Normalizer(w, node) {
    const norm = attributeOf(node, 'norm', 'string') ?? 'MAX'
    const [x, y] = [node.inputs[0]!, node.outputs[0]!]
    if (norm === 'L1' && foldsInto(w, node, x, y)) return true
    const reduction = { MAX: 'ReduceMax', L1: 'ReduceL1', L2: 'ReduceL2' }[norm]
    if (reduction === undefined) return false
    const values = asFloats(w, node, x)
    const axes = w.integers([1], `${node.name}/axes`)
    const size = w.emit(reduction, [values, axes], node)
    const isZero = w.emit('Equal', [size, w.floats([0], [], `${node.name}/zero`)], node)
    const divisor = w.emit('Where', [isZero, w.floats([1], [], `${node.name}/one`), size], node)
    w.emit('Div', [values, divisor], node, y)
    return true
  },

  // y = x > threshold, as a float
  Binarizer(w, node) {
    const threshold = w.floats([attributeOf(node, 'threshold', 'float') ?? 0], [], `${node.name}/threshold`)
    const above = w.emit('Greater', [node.inputs[0]!, threshold], node)
    w.emit('Cast', [above], node, node.outputs[0], { to: intAttribute(elementTypes.float32) })
    return true
  },

  // y = x, and the imputed value where x is the value to replace (NaN among them)
  Imputer(w, node) {
    const imputed = attributeOf(node, 'imputed_value_floats', 'floats')
    const replaced = attributeOf(node, 'replaced_value_float', 'float') ?? 0
    if (imputed === undefined) return false
    const x = node.inputs[0]!
    const missing = Number.isNaN(replaced)
      ? w.emit('IsNaN', [x], node)
      : w.emit('Equal', [x, w.floats([replaced], [], `${node.name}/replaced`)], node)
    w.emit('Where', [missing, w.floats(imputed, [imputed.length], `${node.name}/imputed`), x], node, node.outputs[0])
    return true
  },

  // y = the columns of x at these places, also where one is asked for by a single number
  ArrayFeatureExtractor(w, node) {
    const places = w.emit('Reshape', [node.inputs[1]!, w.integers([-1], `${node.name}/list`)], node)
    w.emit('Gather', [node.inputs[0]!, places], node, node.outputs[0], { axis: intAttribute(-1) })
    return true
  },

  // y = the inputs side by side
  FeatureVectorizer(w, node) {
    const parts = node.inputs.map(name => asFloats(w, node, name))
    w.emit('Concat', parts, node, node.outputs[0], { axis: intAttribute(1) })
    return true
  },

  // y = x Wᵀ + b
  LinearRegressor(w, node) {
    const post = attributeOf(node, 'post_transform', 'string') ?? 'NONE'
    const targets = attributeOf(node, 'targets', 'int') ?? 1
    if (post !== 'NONE' || !fills(node, targets)) return false
    linear(w, node, targets, node.outputs[0])
    return true
  },

  LinearClassifier,
}

/** scores = f(x Wᵀ + b); the labels must not be used. One row of weights for two classes stands for (-w, w). */
function LinearClassifier(w: Writer, node: Node): boolean {
  const labels = ['classlabels_ints', 'classlabels_strings'].map(
    name => (attributeOf(node, name, 'ints') ?? attributeOf(node, name, 'strings'))?.length ?? 0,
  )
  const classes = Math.max(...labels)
  const post = attributeOf(node, 'post_transform', 'string') ?? 'NONE'
  const rows = (attributeOf(node, 'intercepts', 'floats') ?? []).length
  const scores = node.outputs[1]
  if (w.isUsed(node.outputs[0]) || scores === undefined || scores === '') return false
  if (rows !== classes || rows < 2 || !fills(node, rows)) return false
  if (post === 'NONE') {
    linear(w, node, rows, scores)
    return true
  }
  if (post === 'SOFTMAX') {
    w.emit('Softmax', [linear(w, node, rows)], node, scores, { axis: intAttribute(1) })
    w.softmaxes.add(scores)
    return true
  }
  if (post !== 'LOGISTIC') return false
  // Two rows that mirror each other: σ(±s) is the softmax of ±s / 2, whose logits do not saturate.
  if (rows === 2 && mirrored(node)) {
    w.emit('Softmax', [linear(w, node, rows, undefined, 0.5)], node, scores, { axis: intAttribute(1) })
    w.softmaxes.add(scores)
    return true
  }
  const values = linear(w, node, rows)
  w.emit('Sigmoid', [values], node, scores)
  w.sigmoids.set(scores, values)
  return true
}

/** Whether the weights are so many rows. */
function fills(node: Node, rows: number): boolean {
  const count = attributeOf(node, 'coefficients', 'floats')?.length ?? 0
  const bias = attributeOf(node, 'intercepts', 'floats')?.length ?? rows
  return rows > 0 && count > 0 && count % rows === 0 && bias === rows
}

function linear(w: Writer, node: Node, rows: number, to?: string, factor = 1): string {
  const weights = (attributeOf(node, 'coefficients', 'floats') ?? []).map(value => value * factor)
  const bias = (attributeOf(node, 'intercepts', 'floats') ?? new Array<number>(rows).fill(0)).map(each => each * factor)
  const inputs = [
    asFloats(w, node, node.inputs[0]!),
    w.floats(weights, [rows, weights.length / rows], `${node.name}/weights`),
    w.floats(bias, [rows], `${node.name}/bias`),
  ]
  return w.emit('Gemm', inputs, node, to, { transB: intAttribute(1) })
}

function mirrored(node: Node): boolean {
  return ['coefficients', 'intercepts'].every(name => {
    const values = attributeOf(node, name, 'floats') ?? []
    const half = values.length / 2
    return values.slice(0, half).every((value, i) => value === -values[half + i]!)
  })
}

/**
 * Probabilities of each class against the rest, normalised to a sum of one, are a softmax: σ(s) / Σσ(s) = softmax(ln σ(s)) with
 * ln σ(s) = -softplus(-s). What is a softmax already has that sum.
 */
function foldsInto(w: Writer, node: Node, x: string, y: string): boolean {
  if (w.softmaxes.has(x)) {
    w.emit('Identity', [x], node, y)
    return true
  }
  const scores = w.sigmoids.get(x)
  if (scores === undefined) return false
  const logarithms = w.emit('Neg', [w.emit('Softplus', [w.emit('Neg', [scores], node)], node)], node)
  w.emit('Softmax', [logarithms], node, y, { axis: intAttribute(1) })
  return true
}

/** These operators take any numbers. */
function asFloats(w: Writer, node: Node, name: string): string {
  return w.emit('Cast', [name], node, undefined, { to: intAttribute(elementTypes.float32) })
}
