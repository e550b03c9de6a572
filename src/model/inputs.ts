/**
 * Models with several inputs: one is attacked, the others are constants of each sample, bound to what the data hold. In graphs they come
 * in together as the second input [batch, values], in the order of the data.
 */
import { RobustlyError } from '../errors.js'
import type { Graph, Node, ValueInfo } from '../onnx/graph.js'
import { Additions, intAttribute, makeNode, namesOf } from '../onnx/passes/pass.js'
import { printable } from '../printable.js'
import { isNumberType, type NumberType, writeFloats } from '../tensor/convert.js'
import { arrays, type DataOf, type DataType, int64, type Shape, sizeOf, type Tensor } from '../tensor/tensor.js'
import { type DataSpace, fittedShape, toElementType } from './data-space.js'

export interface BoundInput {
  readonly info: ValueInfo
  /** Of one sample, as the model takes it. */
  readonly shape: Shape
  /** Where its values stand among those of a sample, and how many there are. */
  readonly offset: number
  readonly size: number
}

export interface ModelInputs {
  readonly attacked: ValueInfo
  readonly bound: readonly BoundInput[]
}

/**
 * The input that is attacked, which is the one that the data bind nothing to. Throws `model-unsupported` when there is not exactly one,
 * or an input does not take numbers, and `config` for inputs that are bound and not there.
 */
export function modelInputs({ inputs }: Pick<Graph, 'inputs'>, { bound }: Pick<DataSpace, 'bound'>): ModelInputs {
  if (inputs.length === 0) throw new RobustlyError('model-invalid', 'the model has no input')
  const parts = bound?.parts ?? []
  const missing = parts.find(({ input }) => !inputs.some(({ name }) => name === input))
  if (missing !== undefined) {
    throw new RobustlyError(
      'config',
      `the data bind the input "${printable(missing.input, 60)}", the model has ${listed(inputs)}`,
    )
  }
  const free = inputs.filter(({ name }) => !parts.some(({ input }) => input === name))
  if (free.length !== 1) throw notOne(inputs, free)
  const [attacked] = free
  checkType(attacked, isNumberType(attacked.dtype))
  let offset = 0
  const all = parts.map(({ input, shape }): BoundInput => {
    const info = inputs.find(({ name }) => name === input)!
    checkType(info, isNumberType(info.dtype) || info.dtype === 'bool')
    const [first] = info.shape ?? [undefined]
    if (typeof first === 'number' ? first !== attacked.shape?.[0] : info.shape?.length === 0) {
      throw new RobustlyError(
        'model-unsupported',
        `the model's input ${described(info)} has no batch dimension as ${described(attacked)} has`,
        { hint: 'What is the same for every sample must be a constant of the model: export it that way.' },
      )
    }
    const size = sizeOf(shape)
    offset += size
    return {
      info,
      shape: fittedShape(shape, info, `what is bound to it has shape [${shape}]`),
      offset: offset - size,
      size,
    }
  })
  return { attacked, bound: all }
}

function notOne(inputs: readonly ValueInfo[], free: readonly ValueInfo[]): RobustlyError {
  if (free.length === 0) {
    return new RobustlyError(
      'config',
      `the data bind every input of the model (${listed(inputs)}), and none is left to attack`,
    )
  }
  const bind = free.slice(1).map(({ name }) => `bind=${printable(name, 40)}=NAME`)
  return new RobustlyError(
    'model-unsupported',
    `the model has ${inputs.length} inputs (${listed(inputs)}): one is attacked, the data must say what the others get`,
    {
      hint: `Bind all but one to columns or arrays behind the path of the data, such as --data PATH:${bind.join(',')}`,
    },
  )
}

function checkType(input: ValueInfo, fits: boolean): void {
  if (fits && input.dtype !== 'bfloat16') return
  throw new RobustlyError(
    'model-unsupported',
    `the model's input "${printable(input.name)}" is ${input.typeText ?? input.dtype}; inputs of float32, float16, float64 and integers are supported`,
    { hint: 'Export the model with a float32 input.' },
  )
}

const listed = (inputs: readonly ValueInfo[]) => inputs.slice(0, 12).map(described).join(', ')

function described({ name, dtype, typeText, shape }: ValueInfo): string {
  const dims = shape?.map(dim => printable(String(dim ?? '?'), 20)).join(', ') ?? 'unknown'
  return `"${printable(name, 60)}" ${typeText ?? dtype} [${dims}]`
}

/** The graph for a batch with its bound inputs taken from one, the second: float32 [batch, values]. The attacked one is the first. */
export function withBoundInput(graph: Graph, batch: number, { attacked, bound }: ModelInputs): Graph {
  if (bound.length === 0) return graph
  const additions = new Additions(namesOf(graph))
  const nodes: Node[] = []
  const name = additions.fresh('bound')
  const pieces = bound.map(() => additions.fresh('bound_part'))
  const sizes = additions.constant(int64(bound.map(({ size }) => size)), 'bound_sizes')
  nodes.push(makeNode('Split', [name, sizes], pieces, { axis: intAttribute(1) }))
  bound.forEach(({ info, shape }, at) => {
    let current = pieces[at]
    const step = (
      op: string,
      inputs: readonly string[],
      attributes: Parameters<typeof makeNode>[3],
      output: string,
    ) => {
      nodes.push(makeNode(op, [current, ...inputs], [output], attributes))
      current = output
    }
    const steps = toElementType(info.dtype as DataType)
    step(
      'Reshape',
      [additions.constant(int64([batch, ...shape]), 'bound_shape')],
      {},
      additions.fresh('bound_reshaped'),
    )
    for (const { op, constants, attributes } of steps) {
      const inputs = constants.map(tensor => additions.constant(tensor, 'bound_constant'))
      step(op, inputs, attributes, additions.fresh('bound_value'))
    }
    step('Identity', [], {}, info.name)
  })
  const width = bound.reduce((sum, { size }) => sum + size, 0)
  return {
    ...graph,
    inputs: [attacked, { name, dtype: 'float32', shape: [batch, width] }],
    nodes: [...nodes, ...graph.nodes],
    initializers: new Map([...graph.initializers, ...additions.constants]),
  }
}

/** The tensor that a bound input gets for a batch, by its name, and how the values of a sample are written into a row of it. */
export function boundFeed({ info, shape, offset, size }: BoundInput, batch: number) {
  const dtype = info.dtype as NumberType | 'bool'
  const data = new arrays[dtype](batch * size) as DataOf[NumberType]
  return {
    feed: [info.name, { dtype, shape: [batch, ...shape], data } as Tensor] as const,
    write(values: Float32Array, row: number): void {
      const own = values.subarray(offset, offset + size)
      if (dtype === 'bool')
        (data as Uint8Array).set(
          own.map(value => (value === 0 ? 0 : 1)),
          row * size,
        )
      else writeFloats(dtype, own, data, row * size)
    },
  }
}
