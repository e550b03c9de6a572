/**
 * Reverse-mode differentiation of a graph, as a graph: the walk. It knows no operator; the rules come from a table.
 * Contributions to one value are summed, and gradients of broadcast inputs are summed back to the input's shape, here
 * and only here.
 */
import { RobustlyError } from '../errors.js'
import { GraphBuilder, type Value } from '../onnx/build.js'
import type { Node, TypedGraph } from '../onnx/graph.js'
import { attributesOf, isOperator, type OperatorName } from '../onnx/operators.js'
import { sameShape, toNumbers } from '../tensor/tensor.js'
import type { GradientEntry, GradientRule, GradientRules, RuleContext } from './rule.js'
import { gradientRules } from './rules/index.js'

/**
 * Emits into `b` the gradients of sum(seed * of) to each of `to`; `seed` defaults to ones. A value of `to` on which `of`
 * does not depend gets undefined.
 * Throws `model-unsupported`, naming every node in the way, when a node between `to` and `of` has no rule.
 */
export function differentiate(
  b: GraphBuilder,
  of: Value,
  to: readonly Value[],
  options: { seed?: Value; rules?: GradientRules } = {},
): (Value | undefined)[] {
  const rules = options.rules ?? gradientRules
  const seed = options.seed ?? b.full(of.shape, 1, of.dtype)
  return walkBack(b, b.build([of.name]).nodes, new Map([[of.name, [seed]]]), to, rules)
}

/** Goes back through `nodes` from the values that `gradients` names (and is extended) to each of `to`. */
function walkBack(
  b: GraphBuilder,
  nodes: readonly Node[],
  gradients: Map<string, Value[]>,
  to: readonly Value[],
  rules: GradientRules,
): (Value | undefined)[] {
  const path = between(nodes, gradients.keys(), to, rules)
  refuseMissing(path, rules)
  const wanted = new Set([...to.map(value => value.name), ...path.flatMap(node => node.outputs)])
  for (const node of path.toReversed()) {
    const arriving = node.outputs.map(name => total(b, gradients, name))
    if (arriving.every(gradient => gradient === undefined)) continue
    const rule = rules[node.op as OperatorName] as GradientRule<OperatorName>
    const given = rule(contextOf(b, node, arriving, wanted, rules))
    given.forEach((gradient, i) => {
      const name = node.inputs[i]!
      if (gradient === undefined || !wanted.has(name)) return
      const list = gradients.get(name)
      const fitted = unbroadcast(b, gradient, b.value(name))
      if (list === undefined) gradients.set(name, [fitted])
      else list.push(fitted)
    })
  }
  return to.map(value => total(b, gradients, value.name))
}

/** A graph with the further outputs `gradient(NAME)` of sum(of) to each name in `to`, in that order. */
export function gradientGraph(graph: TypedGraph, of: string, to: readonly string[]): TypedGraph {
  const b = new GraphBuilder(graph)
  const gradients = differentiate(
    b,
    b.value(of),
    to.map(name => b.value(name)),
  )
  gradients.forEach((gradient, i) => {
    const value = b.value(to[i]!)
    b.output(gradient ?? b.full(value.shape, 0, value.dtype), gradientName(value.name))
  })
  return b.build()
}

/** The nodes through which the graph's first output depends on its first input, as `differentiate` walks them. */
export function gradientPath(graph: TypedGraph, rules: GradientRules = gradientRules): Node[] {
  const [input, output] = [graph.inputs[0]!, graph.outputs[0]!]
  return between(graph.nodes, [output.name], [{ name: input.name, ...graph.types.get(input.name)! }], rules)
}

/** Whether a node's operator has a rule. */
export function isDifferentiable(node: Node, rules: GradientRules): boolean {
  return typeof entryOf(rules, node) === 'function'
}

/** Name under which `gradientGraph` gives out the gradient of a value. */
export function gradientName(name: string): string {
  return `gradient(${name})`
}

/** Nodes through which `of` depends on `to`, in order; nothing flows through nodes whose entry is 'constant'. */
function between(nodes: readonly Node[], of: Iterable<string>, to: readonly Value[], rules: GradientRules): Node[] {
  const reached = new Set(to.map(value => value.name))
  const forward = nodes.filter(node => {
    if (entryOf(rules, node) === 'constant' || !node.inputs.some(name => reached.has(name))) return false
    for (const name of node.outputs) reached.add(name)
    return true
  })
  const needed = new Set(of)
  const path: Node[] = []
  for (const node of forward.reverse()) {
    if (!node.outputs.some(name => needed.has(name))) continue
    path.push(node)
    for (const name of node.inputs) needed.add(name)
  }
  return path.reverse()
}

function entryOf(rules: GradientRules, node: Node): GradientEntry<OperatorName> | undefined {
  return isOperator(node) ? (rules[node.op] as GradientEntry<OperatorName>) : undefined
}

function refuseMissing(path: readonly Node[], rules: GradientRules): void {
  const missing = path.filter(node => !isDifferentiable(node, rules))
  if (missing.length === 0) return
  const names = missing.map(node => `${node.domain === '' ? '' : `${node.domain}.`}${node.op} (node "${node.name}")`)
  throw new RobustlyError('model-unsupported', `no gradient rule for: ${names.join(', ')}`, {
    hint: 'White-box attacks need a gradient through every operator between the input and the output.',
  })
}

function contextOf(
  b: GraphBuilder,
  node: Node,
  arriving: readonly (Value | undefined)[],
  wanted: ReadonlySet<string>,
  rules: GradientRules,
): RuleContext<OperatorName> {
  const op = node.op as OperatorName
  const where = `node "${node.name}" (${op})`
  const has = (i: number) => (node.inputs[i] ?? '') !== ''
  const I = (i: number): Value => {
    if (!has(i)) throw new RobustlyError('model-invalid', `${where} lacks input ${i}`)
    return b.value(node.inputs[i]!)
  }
  const constant = (i: number) => (has(i) ? b.constantOf(I(i)) : undefined)
  return {
    node,
    attributes: attributesOf(node, op),
    b,
    I,
    has,
    O: (i = 0) => b.value(node.outputs[i]!),
    GO: (i = 0) => arriving[i],
    G() {
      if (arriving[0] === undefined)
        throw new RobustlyError('model-unsupported', `${where}: the gradient arrives at another output than the first`)
      return arriving[0]
    },
    constant,
    integers(i) {
      const values = constant(i)
      if (values === undefined) {
        throw new RobustlyError(
          'model-unsupported',
          `${where}: input ${i} is computed at run time, a constant is needed`,
        )
      }
      return toNumbers(values)
    },
    through(compose) {
      const start = b.position
      const gradients = new Map<string, Value[]>()
      compose().forEach((output, i) => {
        const arrived = arriving[i]
        if (output === undefined || arrived === undefined) return
        gradients.set(output.name, [...(gradients.get(output.name) ?? []), arrived])
      })
      // A value that stands at several places gets its whole gradient at the first.
      const first = node.inputs.map((name, i) => (node.inputs.indexOf(name) === i && wanted.has(name) ? i : -1))
      const to = first.filter(i => i >= 0)
      const given = walkBack(b, b.nodesFrom(start), gradients, to.map(I), rules)
      return node.inputs.map((_, i) => (first[i] === -1 ? undefined : given[to.indexOf(i)]))
    },
    needs: i => has(i) && wanted.has(node.inputs[i]!),
  }
}

/** Sum of the contributions to a value; replaces them, so that the sum is emitted once. */
function total(b: GraphBuilder, gradients: Map<string, Value[]>, name: string): Value | undefined {
  const list = gradients.get(name)
  if (list === undefined) return undefined
  const sum = b.sum(...list)
  gradients.set(name, [sum])
  return sum
}

/** Sums a gradient over the axes along which `input` was broadcast. */
function unbroadcast(b: GraphBuilder, gradient: Value, input: Value): Value {
  if (sameShape(gradient.shape, input.shape)) return gradient
  const extra = gradient.shape.length - input.shape.length
  const axes = gradient.shape.flatMap((dim, axis) => {
    const summed = dim !== 1 && (axis < extra || input.shape[axis - extra] === 1)
    return summed ? [axis] : []
  })
  return b.reshape(b.reduceSum(gradient, axes, extra === 0), input.shape)
}
