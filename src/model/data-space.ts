/**
 * How a sample of the data becomes an input of the model. Perturbations live in the space of the data; the way from there
 * into the model is normalisation per channel, a change of layout and a change of shape: as graph nodes for attacks, so that
 * gradients reach the data, and as plain arithmetic for the verifier, which runs the file as it is.
 */
import { RobustlyError } from '../errors.js'
import type { Attribute, Graph, Initializer, Node, ValueInfo } from '../onnx/graph.js'
import { initializer } from '../onnx/graph.js'
import { elementTypes } from '../onnx/operators.js'
import { wholeRange } from '../tensor/convert.js'
import { type DataType, float32, int64, type Shape, sameShape, sizeOf, type Tensor } from '../tensor/tensor.js'

/** What inputs of the model that are not attacked get: constants of each sample. */
export interface BoundInputs {
  /** In the order in which their values stand in a sample. */
  readonly parts: readonly { readonly input: string; readonly shape: Shape }[]
  /** Values of the first sample: what stands in where there is no sample. */
  readonly example: Float32Array
  /** Values of the last sample. */
  readonly last: Float32Array
}

export interface DataSpace {
  /** Shape of one sample of the data. */
  readonly sampleShape: Shape
  /** Where the data keep their channels; undefined for features. */
  readonly dataLayout: 'CHW' | 'HWC' | undefined
  /** Layout that the model wants; undefined: as the data come. */
  readonly modelLayout: 'NCHW' | 'NHWC' | undefined
  /** Every value is multiplied by it. */
  readonly scale?: number | undefined
  /** `bgr`: the three colours are taken in reverse order. */
  readonly channels?: 'rgb' | 'bgr' | undefined
  /** One number, or one per channel (or per feature). */
  readonly mean: readonly number[] | undefined
  readonly std: readonly number[] | undefined
  /** Default: the model has one input. */
  readonly bound?: BoundInputs | undefined
}

/** Samples in the model's own shape and range. */
export function plainSpace(sampleShape: Shape): DataSpace {
  return { sampleShape, dataLayout: undefined, modelLayout: undefined, mean: undefined, std: undefined }
}

/** The plan from data to model: per-feature constants, colours in reverse, a permutation of axes, the final shape. */
export interface InputPlan {
  readonly sampleShape: Shape
  readonly scale: number | undefined
  /** Axis of the sample whose order is reversed. */
  readonly reversed: number | undefined
  /** Subtracted from and then divided into each feature, in the order of the data; undefined: nothing is done. */
  readonly mean: Float32Array | undefined
  readonly std: Float32Array | undefined
  /** Permutation of the sample's axes, undefined when they stay. */
  readonly permutation: readonly number[] | undefined
  /** Shape of one model input, without the batch dimension. */
  readonly inputShape: Shape
}

/**
 * Fits data to the model's input. Shapes must be equal after the change of layout, or equal up to dimensions of 1, or
 * one of the two flat. Throws `config` for mean, std or layout that do not fit, `model-unsupported` for shapes that do not.
 */
export function planInput(space: DataSpace, input: ValueInfo): InputPlan {
  const permutation = permutationOf(space)
  const arranged = permutation === undefined ? space.sampleShape : permutation.map(axis => space.sampleShape[axis])
  const turned = permutation === undefined ? '' : `, as ${space.modelLayout} [${arranged}]`
  return {
    sampleShape: space.sampleShape,
    scale: scaleOf(space),
    reversed: space.channels === 'bgr' ? colourAxis(space) : undefined,
    mean: perFeature(space, 'mean'),
    std: perFeature(space, 'std'),
    permutation,
    inputShape: fittedShape(arranged, input, `the samples have shape [${space.sampleShape}]${turned}`),
  }
}

function permutationOf({ dataLayout, modelLayout, sampleShape }: DataSpace): number[] | undefined {
  if (modelLayout === undefined || dataLayout === undefined || dataLayout === modelLayout.slice(1)) return undefined
  if (sampleShape.length !== 3) {
    throw new RobustlyError(
      'config',
      `layout ${modelLayout} needs images of three dimensions, the samples have shape [${sampleShape}]`,
    )
  }
  return modelLayout === 'NHWC' ? [1, 2, 0] : [2, 0, 1]
}

function scaleOf({ scale }: DataSpace): number | undefined {
  if (scale === undefined || (Number.isFinite(scale) && scale > 0)) return scale === 1 ? undefined : scale
  throw new RobustlyError('config', `the scale is ${scale}, expected a positive number`)
}

function colourAxis({ sampleShape, dataLayout }: DataSpace): number {
  const axis = dataLayout === 'HWC' ? sampleShape.length - 1 : 0
  if (dataLayout !== undefined && sampleShape[axis] === 3) return axis
  throw new RobustlyError('config', `bgr is for images of three colours, the samples have shape [${sampleShape}]`)
}

function perFeature(space: DataSpace, which: 'mean' | 'std'): Float32Array | undefined {
  const values = space[which]
  if (values === undefined) return undefined
  const { sampleShape, dataLayout } = space
  const axis = dataLayout === 'HWC' ? sampleShape.length - 1 : 0
  const channels = sampleShape[axis] ?? 1
  const wrong = values.find(value => !Number.isFinite(value) || (which === 'std' && value <= 0))
  if (wrong !== undefined)
    throw new RobustlyError(
      'config',
      `${which} has the value ${wrong}, expected ${which === 'std' ? 'positive' : 'finite'} numbers`,
    )
  if (values.length !== 1 && values.length !== channels) {
    throw new RobustlyError(
      'config',
      `${which} has ${values.length} values, expected 1 or ${channels}, one per channel of [${sampleShape}]`,
    )
  }
  const inner = sizeOf(sampleShape.slice(axis + 1))
  return Float32Array.from(
    { length: sizeOf(sampleShape) },
    (_, i) => values[values.length === 1 ? 0 : Math.floor(i / inner) % channels],
  )
}

/** The model's shape for values of this shape; `said` tells in messages what they are. */
export function fittedShape(arranged: Shape, input: ValueInfo, said: string): number[] {
  const stated = input.shape?.slice(1)
  if (stated === undefined) return [...arranged]
  if (
    stated.length === arranged.length &&
    stated.every((dim, axis) => typeof dim !== 'number' || dim === arranged[axis])
  )
    return [...arranged]
  const fixed = stated.every(dim => typeof dim === 'number') ? (stated as number[]) : undefined
  const long = (shape: Shape) => shape.filter(dim => dim !== 1)
  const flat = (shape: Shape) => long(shape).length <= 1
  if (fixed !== undefined && sizeOf(fixed) === sizeOf(arranged)) {
    if (flat(fixed) || flat(arranged) || sameShape(long(fixed), long(arranged))) return fixed
  }
  const wants = `[batch, ${stated.map(dim => dim ?? '?').join(', ')}]`
  throw new RobustlyError('model-unsupported', `the model's input "${input.name}" has shape ${wants}, ${said}`, {
    hint: layoutHint(stated, arranged) ?? columnsHint(stated, arranged) ?? 'Give the data in the shape of the model.',
  })
}

function layoutHint(stated: readonly unknown[], arranged: Shape): string | undefined {
  if (stated.length !== 3 || arranged.length !== 3) return undefined
  const moved = (by: number) => stated.every((dim, axis) => dim === arranged[(axis + by) % 3])
  if (moved(1)) return 'The model wants its channels last: add --layout NHWC.'
  if (moved(2)) return 'The model wants its channels first: add --layout NCHW.'
  return undefined
}

function columnsHint([features, ...more]: readonly unknown[], [columns, ...others]: Shape): string | undefined {
  if (more.length > 0 || others.length > 0 || typeof features !== 'number' || columns! <= features) return undefined
  return 'Of a table, leave columns out with :drop=NAME behind the path of the data, or say which is the label with :label=NAME.'
}

/** A graph of fixed batch whose input `data` takes [batch, ...sampleShape] in the space of the data. */
export function withInputPlan(graph: Graph, inputName: string, batch: number, plan: InputPlan): Graph {
  const initializers = new Map(graph.initializers)
  const used = new Set([
    ...initializers.keys(),
    ...graph.inputs.map(input => input.name),
    ...graph.nodes.flatMap(node => node.outputs),
  ])
  const fresh = (wish: string): string => {
    let name = wish
    while (used.has(name)) name = `${name}_`
    used.add(name)
    return name
  }
  const nodes: Node[] = []
  const data = fresh('data')
  let current = data
  const emit = (op: string, constants: readonly Initializer[] = [], attributes: Node['attributes'] = new Map()) => {
    const output = fresh(`data_${op}`)
    const inputs = [current]
    for (const constant of constants) {
      const name = fresh(`data_${op}_constant`)
      initializers.set(name, constant)
      inputs.push(name)
    }
    nodes.push({ name: output, op, domain: '', inputs, outputs: [output], attributes })
    current = output
  }
  const constant = (values: Float32Array) => initializer(compact(values, plan.sampleShape))
  if (plan.scale !== undefined) emit('Mul', [initializer(float32([plan.scale], [1]))])
  if (plan.mean !== undefined) emit('Sub', [constant(plan.mean)])
  if (plan.std !== undefined) emit('Div', [constant(plan.std)])
  if (plan.reversed !== undefined) {
    emit('Gather', [initializer(int64([2, 1, 0]))], new Map([['axis', { type: 'int', value: plan.reversed + 1 }]]))
  }
  if (plan.permutation !== undefined) {
    emit('Transpose', [], new Map([['perm', { type: 'ints', value: [0, ...plan.permutation.map(axis => axis + 1)] }]]))
  }
  const shape = plan.permutation?.map(axis => plan.sampleShape[axis]) ?? plan.sampleShape
  if (!sameShape(shape, plan.inputShape)) emit('Reshape', [initializer(int64([batch, ...plan.inputShape]))])
  const { dtype } = graph.inputs.find(input => input.name === inputName)!
  for (const { op, constants, attributes } of toElementType(dtype as DataType)) {
    emit(op, constants.map(initializer), new Map(Object.entries(attributes)))
  }
  nodes.push({
    name: fresh('data_input'),
    op: 'Identity',
    domain: '',
    inputs: [current],
    outputs: [inputName],
    attributes: new Map(),
  })
  return {
    ...graph,
    inputs: graph.inputs.map(input =>
      input.name === inputName ? { name: data, dtype: 'float32', shape: [batch, ...plan.sampleShape] } : input,
    ),
    nodes: [...nodes, ...graph.nodes],
    initializers,
  }
}

interface TypeStep {
  readonly op: string
  readonly constants: readonly Tensor[]
  readonly attributes: Readonly<Record<string, Attribute>>
}

/** From float32 to the element type of an input: integers are rounded, halves to even, and clamped to their range. */
export function toElementType(dtype: DataType): TypeStep[] {
  const cast = { op: 'Cast', constants: [], attributes: { to: { type: 'int', value: elementTypes[dtype] } } } as const
  if (dtype === 'bool') return [cast]
  const range = wholeRange(dtype)
  if (range === undefined) return []
  const bounds = range.map(bound => float32([bound], []))
  return [{ op: 'Round', constants: [], attributes: {} }, { op: 'Clip', constants: bounds, attributes: {} }, cast]
}

/** The values with a batch dimension of 1, and 1 too along the axes along which they are all equal. */
function compact(values: Float32Array, shape: Shape) {
  let [kept, dims] = [values, shape]
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const inner = sizeOf(dims.slice(axis + 1))
    const line = dims[axis] * inner
    if (!kept.every((value, i) => value === kept[i - (i % line) + (i % inner)])) continue
    kept = kept.filter((_, i) => i % line < inner)
    dims = dims.with(axis, 1)
  }
  return float32(kept, [1, ...dims])
}

/** The same way in plain arithmetic: a sample of the data as one input of the model. May be the sample itself. */
export function applyInputPlan(plan: InputPlan, sample: Float32Array): Float32Array {
  const { scale, mean, std } = plan
  if ([scale, mean, std, plan.reversed, plan.permutation].every(step => step === undefined)) return sample
  const normal = sample.slice()
  if (scale !== undefined) {
    const factor = Math.fround(scale)
    for (let i = 0; i < normal.length; i++) normal[i] *= factor
  }
  if (mean !== undefined) for (let i = 0; i < normal.length; i++) normal[i] -= mean[i]
  if (std !== undefined) for (let i = 0; i < normal.length; i++) normal[i] /= std[i]
  if (plan.reversed !== undefined) reverseColours(normal, plan.sampleShape, plan.reversed)
  if (plan.permutation === undefined) return normal
  const [a, b, c] = plan.permutation
  const shape = plan.sampleShape
  const strides = [shape[1] * shape[2], shape[2], 1]
  const out = new Float32Array(sample.length)
  let at = 0
  for (let i = 0; i < shape[a]; i++) {
    for (let j = 0; j < shape[b]; j++) {
      for (let k = 0; k < shape[c]; k++) out[at++] = normal[i * strides[a] + j * strides[b] + k * strides[c]]
    }
  }
  return out
}

/** Swaps the first and the last of three along the axis. */
function reverseColours(values: Float32Array, shape: Shape, axis: number): void {
  const inner = sizeOf(shape.slice(axis + 1))
  for (let outer = 0; outer < values.length; outer += 3 * inner) {
    for (let i = outer; i < outer + inner; i++) {
      const first = values[i]
      values[i] = values[i + 2 * inner]
      values[i + 2 * inner] = first
    }
  }
}
