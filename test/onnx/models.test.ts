/**
 * Real models of other people, through everything that happens to a model before it is attacked: decode, canonical
 * opset, symbolic batch, simplify, typed. The result must compute what ONNX Runtime computes on the file itself.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { RobustlyError } from '../../src/errors.js'
import { decodeModel, encodeModel } from '../../src/onnx/codec/index.js'
import type { Graph } from '../../src/onnx/graph.js'
import { canonicalOpset, isOperator } from '../../src/onnx/operators.js'
import {
  canonical,
  explicitPads,
  foldConstants,
  simplify,
  splitSoftmax,
  symbolicBatch,
  typed,
  withBatch,
} from '../../src/onnx/passes/index.js'
import { type Engine, loadEngine } from '../../src/runtime/engine.js'
import { float32, type Shape, sizeOf, type Tensor } from '../../src/tensor/tensor.js'

const assets = new URL('../../../shared/assets/', import.meta.url)
const present = existsSync(assets)
if (!present) console.log('skipped: the folder ../shared/assets with real models is not here')

interface Row {
  readonly file: string
  /** Shape of one sample, where the file does not say it. */
  readonly sample?: Shape
  /** How the output is turned into what the file gives, after the Softmax was cut off. */
  readonly cut?: 'softmax'
  /** Inputs are drawn from [0, this]. */
  readonly range?: number
  /** Operators without a place in the operator table that are left after simplifying. */
  readonly foreign?: readonly string[]
}

const acasxu = Array.from({ length: 45 }, (_, i) => ({
  file: `vnn/acasxu/onnx/ACASXU_run2a_${Math.floor(i / 9) + 1}_${(i % 9) + 1}_batch_2000.onnx`,
}))

const rows: readonly Row[] = [
  { file: 'models/ch_ppocr_mobile_v2.0_cls_infer.onnx', sample: [3, 48, 192], cut: 'softmax' },
  { file: 'models/cifar10_cnn_a_adv.onnx' },
  { file: 'models/cifar10_eran_conv_small_pgd.onnx' },
  { file: 'models/cifar10_oval_base_kw.onnx' },
  { file: 'models/cifar10_resnet20_std.onnx' },
  { file: 'models/cifar10_resnet20_std_NONORM.onnx' },
  { file: 'models/cifar10_winml_imageclassifier.onnx' },
  { file: 'models/fashion_wk_robust_eps0.1.onnx' },
  { file: 'models/imagenet_squeezenet_fp32_from_fp16.onnx', cut: 'softmax', range: 255 },
  { file: 'models/iris_network.onnx' },
  { file: 'models/mnist_cntk.onnx', range: 255 },
  { file: 'models/mnist_colt_0.1.onnx' },
  { file: 'models/mnist_eran_6x100_nat.onnx' },
  { file: 'models/mnist_eran_conv_small_nat.onnx' },
  { file: 'models/mnist_fgsm_fastat_eps0.3.onnx' },
  { file: 'models/mnist_smalladv_madry_tiny_eps0.3.onnx' },
  { file: 'models/mnist_wk_robust_eps0.1.onnx' },
  ...acasxu,
  { file: 'vnn/cifar10_resnet/onnx/resnet_2b.onnx' },
  { file: 'vnn/cora/onnx/mnist-point.onnx' },
  { file: 'vnn/cora/onnx/mnist-set.onnx' },
  { file: 'vnn/mnist_fc/onnx/mnist-net_256x2.onnx' },
  { file: 'vnn/mnist_fc/onnx/mnist-net_256x4.onnx' },
  { file: 'vnn/mnist_fc/onnx/mnist-net_256x6.onnx' },
  { file: 'vnn/safenlp/onnx/medical/perturbations_0.onnx' },
  { file: 'vnn/safenlp/onnx/ruarobot/perturbations_0.onnx' },
  {
    file: 'vnn/traffic_signs_recognition_2023/onnx/3_30_30_QConv_16_3_QConv_32_2_Dense_43_ep_30.onnx',
    cut: 'softmax',
    range: 255,
  },
  { file: 'vnn/verivital/Convnet_avgpool.onnx' },
  { file: 'vnn/verivital/Convnet_maxpool.onnx' },
  { file: 'vnn/vit_2023/onnx/ibp_3_3_8.onnx' },
]

describe.skipIf(!present)('real models', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await loadEngine()
  })

  test('every model file of the folder has a row or is named here', () => {
    const decodedOnly = ['models/imagenet_squeezenet_fp16.onnx']
    const found = readdirSync(assets, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.onnx'))
    expect(found.toSorted()).toEqual([...rows.map(row => row.file), ...decodedOnly].toSorted())
  })

  test('a half-precision model is decoded and encoded again', () => {
    const { graph } = decodeModel(read('models/imagenet_squeezenet_fp16.onnx'))
    const again = decodeModel(encodeModel(graph)).graph
    expect(graph.inputs[0]!.dtype).toBe('float16')
    expect(again.nodes).toEqual(graph.nodes)
    for (const [name, constant] of graph.initializers) {
      const [before, after] = [constant.load(), again.initializers.get(name)!.load()]
      expect(after.shape).toEqual(before.shape)
      expect(after.dtype).toBe(before.dtype)
      expect(bytesOf(after).equals(bytesOf(before))).toBe(true)
    }
  })

  test.each([
    'models/mnist_colt_0.1.onnx',
    'models/cifar10_resnet20_std.onnx',
    'models/ch_ppocr_mobile_v2.0_cls_infer.onnx',
    'vnn/vit_2023/onnx/ibp_3_3_8.onnx',
  ])('%s: shapes that the graph computes are folded by a run of the graph itself', { timeout: 60_000 }, async file => {
    const sample = rows.find(row => row.file === file)!.sample
    const { graph } = symbolicBatch(canonical(decodeModel(read(file)).graph).graph)
    const fixed = withBatch(graph, 2, sample)
    const folded = await foldConstants(fixed, async (part, feeds) => {
      await using session = await engine.createSession(
        { bytes: encodeModel(part) },
        { threads: 1, optimization: 'none' },
      )
      return await session.run(feeds)
    })
    const { nodes, types } = await typed(folded, engine)
    expect(nodes.filter(node => ['Shape', 'ConstantOfShape', 'Cast'].includes(node.op))).toEqual([])
    const shape = types.get(folded.inputs[0]!.name)!.shape
    const x = float32(noise(4, sizeOf(shape), 1), shape)
    const [got, wanted] = [
      await run(engine, encodeModel(folded), folded, x),
      await run(engine, encodeModel(fixed), fixed, x),
    ]
    expectClose([...got.data], [...wanted.data])
  })

  test('bytes of a real model changed at random give a model or a clear error, quickly', { timeout: 60_000 }, () => {
    const bytes = read('models/mnist_cntk.onnx')
    // Nodes and names are at both ends; in the middle are weights, where nothing can go wrong.
    const position = fc.oneof(
      fc.nat(3000),
      fc.nat(3000).map(back => bytes.length - 1 - back),
      fc.nat(bytes.length - 1),
    )
    const edit = fc.record({ at: position, remove: fc.nat(4), insert: fc.uint8Array({ maxLength: 4 }) })
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 8 }), edits => {
        let mutated = Buffer.from(bytes)
        for (const { at, remove, insert } of edits) {
          mutated = Buffer.concat([mutated.subarray(0, at), insert, mutated.subarray(at + remove)])
        }
        try {
          const { graph } = decodeModel(mutated)
          for (const constant of graph.initializers.values()) constant.load()
          const symbolic = symbolicBatch(splitSoftmax(canonical(graph).graph).graph)
          encodeModel(withBatch(symbolic.graph, 2))
        } catch (error) {
          if (!(error instanceof RobustlyError)) throw error
        }
      }),
      { numRuns: 500 },
    )
  })

  test.each(rows)('$file', { timeout: 60_000 }, async row => {
    const bytes = read(row.file)
    const original = decodeModel(bytes).graph
    const { graph: split, notes } = splitSoftmax(canonical(original).graph)
    expect(notes.some(note => note.includes('cut off'))).toBe(row.cut === 'softmax')
    const symbolic = symbolicBatch(split)
    expect(symbolic.graph.opsets.get('')).toBe(canonicalOpset)
    expect(symbolic.notes.filter(note => note.includes('may be wrong'))).toEqual([])
    expect(symbolic.check.outputs).toHaveLength(1)

    const shape = row.sample ?? (original.inputs[0]!.shape!.slice(1) as number[])
    const samples = [1, 2, 3].map(seed => noise(seed, sizeOf(shape), row.range ?? 1))
    const expected: number[][] = []
    for (const sample of samples) {
      const output = await run(engine, bytes, original, float32(sample, [1, ...shape]))
      expected.push([...output.data])
    }
    for (const size of [1, 3]) {
      const graph = explicitPads(
        await typed(await simplify(withBatch(symbolic.graph, size, row.sample), engine), engine),
      )
      expect(graph.nodes.filter(node => !isOperator(node)).map(node => node.op)).toEqual(row.foreign ?? [])
      const data = new Float32Array(size * sizeOf(shape))
      samples.slice(0, size).forEach((sample, i) => {
        data.set(sample, i * sample.length)
      })
      const output = await run(engine, encodeModel(graph), graph, float32(data, [size, ...shape]))
      expect(output.shape).toEqual(graph.types.get(graph.outputs[0]!.name)!.shape)
      expect(output.shape).toEqual([size, expected[0]!.length])
      for (let i = 0; i < size; i++) {
        const values = [...output.data.subarray(i * output.shape[1]!, (i + 1) * output.shape[1]!)]
        expectClose(row.cut === 'softmax' ? softmax(values) : values, expected[i]!)
      }
    }
  })
})

function read(file: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(file, assets)))
}

function bytesOf(tensor: Tensor): Buffer {
  if (tensor.dtype === 'string') throw new Error('no strings here')
  return Buffer.from(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength)
}

async function run(engine: Engine, bytes: Uint8Array, graph: Graph, input: Tensor) {
  await using session = await engine.createSession({ bytes }, { threads: 1 })
  const outputs = await session.run(new Map([[graph.inputs[0]!.name, input]]))
  const output = outputs.get(graph.outputs[0]!.name)!
  if (output.dtype !== 'float32') throw new Error(`the output is ${output.dtype}`)
  return output
}

/** Same numbers every time, all different: a golden-ratio sequence. */
function noise(seed: number, size: number, range: number): Float32Array {
  return Float32Array.from({ length: size }, (_, i) => (((i + 1) * 0.6180339887 + seed * 0.4142135) % 1) * range)
}

function softmax(logits: readonly number[]): number[] {
  const top = Math.max(...logits)
  const exps = logits.map(logit => Math.exp(logit - top))
  const sum = exps.reduce((a, b) => a + b, 0)
  return exps.map(exp => exp / sum)
}

function expectClose(got: readonly number[], wanted: readonly number[]): void {
  const scale = Math.max(1e-6, ...wanted.map(Math.abs))
  const worst = Math.max(...wanted.map((value, i) => Math.abs(value - got[i]!)))
  expect(got.length).toBe(wanted.length)
  expect(worst / scale).toBeLessThan(1e-4)
}
