/** Padding that the operator works out itself (`auto_pad`, `output_shape`) as explicit numbers, so that rules see only those. */
import { RobustlyError } from '../../errors.js'
import type { Shape } from '../../tensor/tensor.js'
import type { Attribute, Node, TypedGraph } from '../graph.js'
import { attributeOf, changed, intsAttribute } from './pass.js'

const windowed = new Set(['Conv', 'MaxPool', 'AveragePool', 'LpPool'])

/** The same graph with explicit `pads` in every convolution and pool. Throws `model-unsupported`, naming the node. */
export function explicitPads(graph: TypedGraph): TypedGraph {
  const nodes = graph.nodes.map(node => {
    if (node.domain !== '' || (!windowed.has(node.op) && node.op !== 'ConvTranspose')) return node
    const mode = attributeOf(node, 'auto_pad', 'string') ?? 'NOTSET'
    if (mode === 'NOTSET' && !node.attributes.has('output_shape')) return node
    const window = windowOf(node, graph)
    return node.op === 'ConvTranspose' ? transposedPads(node, mode, window) : windowPads(node, mode, window)
  })
  return { ...graph, nodes }
}

interface Window {
  readonly input: Shape
  readonly output: Shape
  readonly strides: readonly number[]
  /** Length of the dilated kernel. */
  readonly extent: readonly number[]
  readonly dilated: boolean
}

function windowOf(node: Node, graph: TypedGraph): Window {
  const input = graph.types.get(node.inputs[0]!)!.shape.slice(2)
  const output = graph.types.get(node.outputs[0]!)!.shape.slice(2)
  const kernel = attributeOf(node, 'kernel_shape', 'ints') ?? graph.types.get(node.inputs[1]!)!.shape.slice(2)
  const dilations = attributeOf(node, 'dilations', 'ints') ?? kernel.map(() => 1)
  return {
    input,
    output,
    strides: attributeOf(node, 'strides', 'ints') ?? kernel.map(() => 1),
    extent: kernel.map((size, i) => (size - 1) * dilations[i]! + 1),
    dilated: dilations.some(step => step > 1),
  }
}

/**
 * SAME_*: ceil(input / stride) outputs, so (outputs - 1) * stride + extent - input cells of padding, the odd one at the
 * end (UPPER) or at the start (LOWER). VALID: none. Both know no ceil_mode.
 * Where that number is negative, and where kernels are dilated, runtimes and the standard differ: refused, but for
 * convolutions with a negative number, which all take as 0.
 */
function windowPads(node: Node, mode: string, { input, strides, extent, dilated }: Window): Node {
  const totals = input.map((dim, i) =>
    mode === 'VALID' ? 0 : (Math.ceil(dim / strides[i]!) - 1) * strides[i]! + extent[i]! - dim,
  )
  if (mode !== 'VALID' && (dilated || (node.op !== 'Conv' && totals.some(total => total < 0)))) {
    const why = dilated ? 'a dilated kernel' : 'a kernel smaller than its stride'
    throw new RobustlyError('model-unsupported', `node "${node.name}" (${node.op}): auto_pad ${mode} with ${why}`, {
      hint: 'export the model with explicit pads',
    })
  }
  const pads = distributed(
    totals.map(total => Math.max(0, total)),
    mode === 'SAME_UPPER',
  )
  return changed(node, { attributes: { auto_pad: undefined, ceil_mode: undefined, pads: intsAttribute(pads) } })
}

/** output = (input - 1) * stride + output_padding + extent - total padding; a negative total is more output padding. */
function transposedPads(node: Node, mode: string, { input, output, strides, extent }: Window): Node {
  const given = attributeOf(node, 'output_padding', 'ints') ?? input.map(() => 0)
  const totals = input.map((dim, i) => (dim - 1) * strides[i]! + given[i]! + extent[i]! - output[i]!)
  const pads = distributed(
    totals.map(total => Math.max(0, total)),
    mode === 'SAME_UPPER',
  )
  const padding = given.map((more, i) => more + Math.max(0, -totals[i]!))
  const attributes: Record<string, Attribute | undefined> = {
    auto_pad: undefined,
    output_shape: undefined,
    pads: intsAttribute(pads),
    output_padding: padding.some(more => more > 0) ? intsAttribute(padding) : undefined,
  }
  return changed(node, { attributes })
}

function distributed(totals: readonly number[], oddAtEnd: boolean): number[] {
  const starts = totals.map(total => (oddAtEnd ? Math.floor(total / 2) : Math.ceil(total / 2)))
  return [...starts, ...totals.map((total, i) => total - starts[i]!)]
}
