/** The reference evaluation against the ONNX standard's own cases for the operators of the union. */
import { describe, expect, it } from 'vitest'
import {
  type ConformanceCase,
  conformanceCases,
  hasConformanceCases,
  modelOf,
  tensorOf,
} from '../../../test/support/conformance.js'
import { expectClose } from '../../../test/support/gradcheck.js'
import { RobustlyError } from '../../errors.js'
import type { Tensor } from '../../tensor/tensor.js'
import type { Graph } from '../graph.js'
import { isOperator, type OperatorName, operators } from '../operators.js'
import { evaluate } from './evaluate.js'
import { numbersOf } from './numbers.js'

if (!hasConformanceCases) console.log('skipped: ../shared/assets/conformance is not there')

const numeric = new Set([
  'float32',
  'float64',
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'uint64',
  'bool',
])

/** Training modes, MaxPool on bytes and its column-major indices: refused, never computed in another way. */
const refused = /training|test_maxpool_2d_uint8|test_maxpool_with_argmax_2d_precomputed_strides/
/** The standard gives 0/0 here, ONNX Runtime and this reference 0. */
const otherwise = new Set(['test_l2normalization_axis_0'])
/** The outputs of this case are written with four digits. */
const rounded = 'test_averagepool_2d_ceil_last_window_starts_on_pad'

interface Prepared {
  readonly name: string
  readonly op: OperatorName
  readonly graph: Graph
  readonly feeds: ReadonlyMap<string, Tensor>
  readonly expected: readonly Tensor[]
}

/** The case, when it is one node of the union on plain numbers. */
function prepare(test: ConformanceCase): Prepared[] {
  try {
    const { graph } = modelOf(test)
    const node = graph.nodes[0]
    if (graph.nodes.length !== 1 || node === undefined || !isOperator(node)) return []
    const tensors = [...test.inputs, ...test.outputs].map(tensorOf)
    if (!tensors.every(tensor => numeric.has(tensor.dtype))) return []
    const feeds = new Map(graph.inputs.map((input, i) => [input.name, tensors[i]!]))
    if (otherwise.has(test.name)) return []
    return [{ name: test.name, op: node.op, graph, feeds, expected: tensors.slice(test.inputs.length) }]
  } catch (error) {
    if (error instanceof RobustlyError) return []
    throw error
  }
}

describe.skipIf(!hasConformanceCases)('the ONNX conformance cases', () => {
  const cases = hasConformanceCases ? conformanceCases().flatMap(prepare) : []

  it('cover the union but for Constant, which has no inputs', () => {
    const covered = new Set(cases.map(({ op }) => op))
    expect(Object.keys(operators).filter(op => !covered.has(op as OperatorName))).toEqual(['Constant'])
  })

  it.each(cases.filter(({ name }) => !refused.test(name)))('$name', ({ name: title, graph, feeds, expected }) => {
    const values = evaluate(graph, feeds)
    expected.forEach((tensor, i) => {
      const { name } = graph.outputs[i]!
      const got = values.get(name)!
      expect(got.shape).toEqual(tensor.shape)
      expectClose(numbersOf(got), numbersOf(tensor), title === rounded ? 1e-3 : 1e-5, name)
    })
  })

  it.each(cases.filter(({ name }) => refused.test(name)))('$name is refused', ({ graph, feeds }) => {
    expect(() => evaluate(graph, feeds)).toThrow(expect.objectContaining({ code: 'model-unsupported' }))
  })
})
