/**
 * What changed in ai.onnx operators between opset 7 and the canonical opset, one step per change. A step turns a node of
 * the version before `since` into nodes of that version, exactly. Changes that only allow more types need no step.
 * Source: the ONNX operator changelog (Changelog.md).
 */
import { RobustlyError } from '../../errors.js'
import { float32, int64 } from '../../tensor/tensor.js'
import type { Dim, Node } from '../graph.js'
import { elementTypes } from '../operators.js'
import { groupNormalization } from './newer.js'
import { type Additions, attributeOf, changed, intAttribute, makeNode, textAttribute } from './pass.js'

export interface StepContext {
  readonly additions: Additions
  /** Shape as far as the file states it. */
  shapeOf(name: string): readonly Dim[] | undefined
  /** Element type that constants need beside this value. */
  dtypeOf(name: string): keyof typeof elementTypes
  /** True when a node or a graph output uses the value. */
  isUsed(name: string): boolean
}

export interface VersionStep {
  readonly since: number
  upgrade(node: Node, context: StepContext): readonly Node[]
}

const reductions = ['L1', 'L2', 'LogSum', 'LogSumExp', 'Max', 'Mean', 'Min', 'Prod', 'SumSquare']

export const versionSteps: ReadonlyMap<string, readonly VersionStep[]> = new Map<string, readonly VersionStep[]>([
  [
    'BatchNormalization',
    [
      { since: 9, upgrade: dropSpatial },
      { since: 14, upgrade: dropStatistics },
    ],
  ],
  ['Cast', [{ since: 9, upgrade: castToNumber }]],
  ['Clip', [{ since: 11, upgrade: clipInputs }]],
  ['Dropout', [{ since: 12, upgrade: node => [changed(node, { attributes: { ratio: undefined } })] }]],
  ['GridSample', [{ since: 20, upgrade: gridSampleModes }]],
  ['GroupNormalization', [{ since: 21, upgrade: groupNormalization('per group') }]],
  ['Hardmax', [{ since: 13, upgrade: along2d }]],
  ['LogSoftmax', [{ since: 13, upgrade: along2d }]],
  ['Pad', [{ since: 11, upgrade: padInputs }]],
  ['ReduceSum', [{ since: 13, upgrade: intsToInput('axes') }]],
  ...reductions.map(name => [`Reduce${name}`, [{ since: 18, upgrade: intsToInput('axes') }]] as const),
  ['Resize', [{ since: 11, upgrade: resizeInputs }]],
  ['Scatter', [{ since: 11, upgrade: node => [{ ...node, op: 'ScatterElements' }] }]],
  ['Slice', [{ since: 10, upgrade: sliceInputs }]],
  ['Softmax', [{ since: 13, upgrade: along2d }]],
  [
    'Split',
    [
      { since: 13, upgrade: intsToInput('split') },
      { since: 18, upgrade: splitCount },
    ],
  ],
  ['Squeeze', [{ since: 13, upgrade: intsToInput('axes') }]],
  ['TopK', [{ since: 10, upgrade: topKInput }]],
  ['Unsqueeze', [{ since: 13, upgrade: intsToInput('axes') }]],
  [
    'Upsample',
    [
      { since: 9, upgrade: scalesInput },
      { since: 10, upgrade: resizeInputs },
    ],
  ],
  ['DFT', [{ since: 20, upgrade: axisInput }]],
  // Meaning changed, and no exact rewrite is known here.
  ['Scan', [{ since: 9, upgrade: cannot }]],
])

function cannot(node: Node): never {
  throw new RobustlyError(
    'model-unsupported',
    `node "${node.name}" (${node.op}): this old version of the operator cannot be brought up to date`,
    { hint: 're-export with a newer opset, up to 26' },
  )
}

/** A list attribute becomes the second input. */
function intsToInput(name: string): VersionStep['upgrade'] {
  return (node, { additions }) => {
    const values = attributeOf(node, name, 'ints')
    if (values === undefined) return [node]
    const input = additions.constant(int64(values), `${node.outputs[0]}/${name}`)
    return [changed(node, { inputs: [node.inputs[0]!, input], attributes: { [name]: undefined } })]
  }
}

/** Statistics of rank 1 mean what `spatial` = 1 means; others are per position. */
function dropSpatial(node: Node, context: StepContext): readonly Node[] {
  if (attributeOf(node, 'spatial', 'int') === 0 && context.shapeOf(node.inputs[1]!)?.length !== 1) {
    throw new RobustlyError(
      'model-unsupported',
      `node "${node.name}" (BatchNormalization, opset < 9): statistics per position (spatial = 0) are not supported`,
      { hint: 're-export with opset 9 to 26' },
    )
  }
  return [changed(node, { attributes: { spatial: undefined } })]
}

/** Before opset 14, training was signalled by further outputs. Files list them now and then without using them. */
function dropStatistics(node: Node, context: StepContext): readonly Node[] {
  const used = node.outputs.slice(1).find(name => name !== '' && context.isUsed(name))
  if (used !== undefined) {
    throw new RobustlyError(
      'model-unsupported',
      `node "${node.name}" (BatchNormalization): its training output "${used}" is used`,
      { hint: 'export the model in inference mode (model.eval() in PyTorch)' },
    )
  }
  return [{ ...node, outputs: node.outputs.slice(0, 1) }]
}

function castToNumber(node: Node): readonly Node[] {
  const to = attributeOf(node, 'to', 'string')?.toLowerCase()
  if (to === undefined) return [node]
  const name = to === 'float' ? 'float32' : to === 'double' ? 'float64' : to
  if (!Object.hasOwn(elementTypes, name)) return cannot(node)
  return [changed(node, { attributes: { to: intAttribute(elementTypes[name as keyof typeof elementTypes]) } })]
}

function clipInputs(node: Node, context: StepContext): readonly Node[] {
  const [min, max] = ['min', 'max'].map(name => attributeOf(node, name, 'float'))
  const low = scalar(min, `${node.outputs[0]}/min`, node.inputs[0]!, context)
  const high = scalar(max, `${node.outputs[0]}/max`, node.inputs[0]!, context)
  const inputs = [node.inputs[0]!, low.name, high.name]
  return [...low.nodes, ...high.nodes, changed(node, { inputs, attributes: { min: undefined, max: undefined } })]
}

function padInputs(node: Node, context: StepContext): readonly Node[] {
  const pads = context.additions.constant(int64(attributeOf(node, 'pads', 'ints') ?? []), `${node.outputs[0]}/pads`)
  const fill = scalar(attributeOf(node, 'value', 'float'), `${node.outputs[0]}/value`, node.inputs[0]!, context)
  const inputs = [node.inputs[0]!, pads, fill.name]
  return [...fill.nodes, changed(node, { inputs, attributes: { pads: undefined, value: undefined } })]
}

/** A rank-0 constant of the type of `beside`. Absent values become '', the absent input. */
function scalar(
  value: number | undefined,
  wish: string,
  beside: string,
  { additions, dtypeOf }: StepContext,
): { name: string; nodes: readonly Node[] } {
  if (value === undefined) return { name: '', nodes: [] }
  const name = additions.constant(float32([value], []), wish)
  const dtype = dtypeOf(beside)
  if (dtype === 'float32') return { name, nodes: [] }
  const cast = additions.fresh(`${wish}/${dtype}`)
  return { name: cast, nodes: [makeNode('Cast', [name], [cast], { to: intAttribute(elementTypes[dtype]) })] }
}

function sliceInputs(node: Node, { additions }: StepContext): readonly Node[] {
  // "To the end" is INT64_MAX in the file, of which the number read is one too large.
  const clamp = (value: number) => Math.min(value, Number.MAX_SAFE_INTEGER)
  const [starts, ends, axes] = ['starts', 'ends', 'axes'].map(name => {
    const values = attributeOf(node, name, 'ints')
    return values === undefined ? '' : additions.constant(int64(values.map(clamp)), `${node.outputs[0]}/${name}`)
  })
  const attributes = { starts: undefined, ends: undefined, axes: undefined }
  return [changed(node, { inputs: [node.inputs[0]!, starts!, ends!, axes!], attributes })]
}

/** Since opset 18, equal parts are asked for by their number. */
function splitCount(node: Node): readonly Node[] {
  if ((node.inputs[1] ?? '') !== '') return [node]
  return [changed(node, { attributes: { num_outputs: intAttribute(node.outputs.length) } })]
}

/** The axis was an attribute, by default the first after the batch. */
function axisInput(node: Node, { additions }: StepContext): readonly Node[] {
  const axis = additions.constant(int64([attributeOf(node, 'axis', 'int') ?? 1], []), `${node.outputs[0]}/axis`)
  return [changed(node, { inputs: [node.inputs[0]!, node.inputs[1] ?? '', axis], attributes: { axis: undefined } })]
}

function topKInput(node: Node, { additions }: StepContext): readonly Node[] {
  const k = additions.constant(int64([attributeOf(node, 'k', 'int') ?? 1]), `${node.outputs[0]}/k`)
  return [changed(node, { inputs: [node.inputs[0]!, k], attributes: { k: undefined } })]
}

function scalesInput(node: Node, { additions }: StepContext): readonly Node[] {
  const scales = additions.constant(float32(attributeOf(node, 'scales', 'floats') ?? []), `${node.outputs[0]}/scales`)
  return [changed(node, { inputs: [node.inputs[0]!, scales], attributes: { scales: undefined } })]
}

/** Upsample, and Resize before opset 11, took pixel positions as multiples of the scale, rounded down. */
function resizeInputs(node: Node): readonly Node[] {
  const mode = attributeOf(node, 'mode', 'string') ?? 'nearest'
  const attributes = {
    mode: textAttribute(mode),
    coordinate_transformation_mode: textAttribute('asymmetric'),
    nearest_mode: textAttribute('floor'),
  }
  return [{ ...changed(node, { inputs: [node.inputs[0]!, '', node.inputs[1]!], attributes }), op: 'Resize' }]
}

function gridSampleModes(node: Node): readonly Node[] {
  const mode = attributeOf(node, 'mode', 'string')
  const renamed = mode === 'bicubic' ? 'cubic' : mode === undefined || mode === 'bilinear' ? 'linear' : mode
  return [changed(node, { attributes: { mode: textAttribute(renamed) } })]
}

/**
 * Softmax, LogSoftmax and Hardmax before opset 13 work on the input as a matrix, all dimensions before `axis` (default 1)
 * by all others: softmax_old(x, axis) = reshape(softmax(flatten(x, axis), -1), shape(x)). The same as today's along
 * `axis` where that is the last one, or the only one from there on that is not 1.
 */
function along2d(node: Node, context: StepContext): readonly Node[] {
  const axis = attributeOf(node, 'axis', 'int') ?? 1
  const [x, y] = [node.inputs[0]!, node.outputs[0]!]
  const shape = context.shapeOf(x) ?? context.shapeOf(y)
  const at = shape !== undefined && axis < 0 ? axis + shape.length : axis
  if (axis === -1 || shape?.slice(at + 1).every(dim => dim === 1)) {
    return [changed(node, { attributes: { axis: intAttribute(shape === undefined ? axis : at) } })]
  }
  const { additions } = context
  const [flat, result, target] = ['flat', 'rows', 'shape'].map(name => additions.fresh(`${y}/${name}`))
  return [
    makeNode('Flatten', [x], [flat!], { axis: intAttribute(axis) }),
    { ...changed(node, { inputs: [flat!], attributes: { axis: intAttribute(-1) } }), outputs: [result!] },
    makeNode('Shape', [x], [target!]),
    makeNode('Reshape', [result!, target!], [y]),
  ]
}
