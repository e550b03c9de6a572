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
import { isOperator, operators } from '../operators.js'
import { canonical } from '../passes/canonical.js'
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

/** Training modes, MaxPool on bytes and its column-major indices, peepholes: refused, never computed in another way. */
const refused = /training|test_maxpool_2d_uint8|test_maxpool_with_argmax_2d_precomputed_strides|peepholes/

/** Cases that are not held against the reference, by the reason. */
const exceptions: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [/^test_l2normalization_axis_0$/, 'the standard gives 0/0, ONNX Runtime 0'],
  [/^test_attention_.*gqa/, 'ONNX Runtime gives each head of keys to neighbouring heads of queries'],
  [/^test_attention_.*_softcap(_expanded)?$/, 'ONNX Runtime takes the cap before the mask, and numbers the outputs so'],
  [/^test_attention_.*_qk_matmul_bias/, 'ONNX Runtime numbers the outputs of the scores otherwise'],
  [
    /^test_resize_downsample_scales_(linear|cubic)_align_corners$/,
    'ONNX Runtime aligns the corners of the rounded size',
  ],
  [/^test_maxunpool_export_with_output_shape$/, 'ONNX Runtime takes the places as those of the given shape'],
  [/^test_bernoulli.*expanded$/, 'random numbers'],
]

/** What the reference leaves out, and why. */
const outside: readonly { readonly what: RegExp; readonly why: string }[] = [
  { what: /^the standard gives|^ONNX Runtime|^random numbers/, why: 'exceptions above' },
  {
    what: /type (float[48]|u?int4|float16|bfloat16|string)/,
    why: 'element types that the reference does not compute with',
  },
  { what: /^operator (Bernoulli)$/, why: 'random numbers' },
  { what: /^operator (ai.onnx.preview.training|NegativeLogLikelihoodLoss|SoftmaxCrossEntropyLoss)/, why: 'training' },
  { what: /^operator (String|RegexFullMatch|TfIdfVectorizer|ImageDecoder)/, why: 'strings and encoded images' },
  { what: /^operator (Sequence|SplitToSequence|Optional)/, why: 'sequences and optional values' },
  {
    what: /^operator (Bit|AffineGrid|CenterCropPad|DeformConv|Det|RoiAlign|Unique|NonMaxSuppression)/,
    why: 'not found in classifiers',
  },
  {
    what: /^operator (BlackmanWindow|HammingWindow|HannWindow|MelWeightMatrix)$/,
    why: 'preparation of sound',
  },
  {
    what: /^operator (ConvInteger|DequantizeLinear|DynamicQuantizeLinear|MatMulInteger|QLinear\w+|QuantizeLinear)$/,
    why: 'quantised models are lifted to floats before',
  },
  { what: /^operator ai.onnx.ml/, why: 'rewritten before, or attacked by scores' },
  { what: /^operator (If|Loop|Scan)$/, why: 'control flow is unrolled before' },
  {
    what: /TensorScatter|cannot be brought up to date|uses opset 1;/,
    why: 'versions without a counterpart at the canonical opset',
  },
  { what: /there is nothing to attack/, why: 'no inputs' },
  { what: /stored in segments|needs \d+ elements/, why: 'files that are refused' },
]
/** The outputs of these cases are written with four digits. */
const rounded = new Set(['test_averagepool_2d_ceil_last_window_starts_on_pad', 'test_gridsample_bicubic'])

/** Operators without a case that can be compared. */
const uncovered = ['Constant', 'GlobalLpPool', 'RandomNormal', 'RandomNormalLike', 'RandomUniform', 'RandomUniformLike']

interface Prepared {
  readonly name: string
  readonly graph: Graph
  readonly feeds: ReadonlyMap<string, Tensor>
  readonly expected: readonly Tensor[]
}

interface NotRun {
  readonly name: string
  readonly why: string
}

/** The case at the canonical opset, or why it is not run: a type or an operator that nothing here computes with. */
function prepare(test: ConformanceCase): Prepared | NotRun {
  const { name } = test
  const exception = exceptions.find(([pattern]) => pattern.test(name))
  if (exception !== undefined) return { name, why: exception[1] }
  try {
    const { graph } = canonical(modelOf(test).graph)
    const outside = graph.nodes.find(node => !isOperator(node))
    if (outside !== undefined)
      return { name, why: `operator ${outside.domain === '' ? '' : `${outside.domain}.`}${outside.op}` }
    const tensors = [...test.inputs, ...test.outputs].map(tensorOf)
    const odd = tensors.find(tensor => !numeric.has(tensor.dtype))
    if (odd !== undefined) return { name, why: `type ${odd.dtype}` }
    const feeds = new Map(graph.inputs.map((input, i) => [input.name, tensors[i]!]))
    return { name, graph, feeds, expected: tensors.slice(test.inputs.length) }
  } catch (error) {
    if (error instanceof RobustlyError) return { name, why: error.message.replace(/^.*?: /, '') }
    throw error
  }
}

describe.skipIf(!hasConformanceCases)('the ONNX conformance cases', () => {
  const all = hasConformanceCases ? conformanceCases().map(prepare) : []
  const cases = all.filter(test => 'graph' in test)
  const rest = all.filter(test => 'why' in test)

  it('cover the union', () => {
    const covered = new Set(cases.flatMap(({ graph }) => graph.nodes.map(node => node.op)))
    expect(Object.keys(operators).filter(op => !covered.has(op))).toEqual(uncovered)
  })

  it('are run, or not for a reason that is listed', () => {
    const unlisted = rest.filter(({ why }) => !outside.some(({ what }) => what.test(why)))
    expect(unlisted).toEqual([])
    expect(outside.filter(({ what }) => !rest.some(({ why }) => what.test(why)))).toEqual([])
    expect(all.length).toBe(1615)
    expect(cases.length).toBeGreaterThan(1100)
  })

  it.each(cases.filter(({ name }) => !refused.test(name)))('$name', ({ name: title, graph, feeds, expected }) => {
    const values = evaluate(graph, feeds)
    expected.forEach((tensor, i) => {
      const { name } = graph.outputs[i]!
      const got = values.get(name)!
      expect(got.shape).toEqual(tensor.shape)
      expectClose(numbersOf(got), numbersOf(tensor), rounded.has(title) ? 1e-3 : 1e-5, name)
    })
  })

  it.each(cases.filter(({ name }) => refused.test(name)))('$name is refused', ({ graph, feeds }) => {
    expect(() => evaluate(graph, feeds)).toThrow(expect.objectContaining({ code: 'model-unsupported' }))
  })
})
