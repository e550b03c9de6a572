/**
 * The ONNX project's own single-operator models: all of them are decoded and encoded, and all that ONNX Runtime runs must
 * compute the same there at the canonical opset.
 */
import { existsSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { fromBinary } from '@bufbuild/protobuf'
import { describe, expect, test } from 'vitest'
import { RobustlyError } from '../../src/errors.js'
import { decodeModel, encodeModel, type Model } from '../../src/onnx/codec/index.js'
import { readTensor } from '../../src/onnx/codec/tensors.js'
import { TensorProtoSchema } from '../../src/onnx/generated/onnx-ml_pb.js'
import type { Graph } from '../../src/onnx/graph.js'
import { canonical } from '../../src/onnx/passes/index.js'
import { type Engine, loadEngine } from '../../src/runtime/engine.js'
import { sameShape, type Tensor } from '../../src/tensor/tensor.js'

const archive = new URL('../../../shared/assets/conformance/onnx-v1.19.0-node-tests.tar.gz', import.meta.url)
const present = existsSync(archive)
if (!present) console.log('skipped: the ONNX conformance cases in ../shared/assets/conformance are not here')

describe.skipIf(!present)('ONNX conformance cases', () => {
  const files = present ? untar(gunzipSync(readFileSync(archive))) : new Map<string, Uint8Array>()
  const names = [...files.keys()]
    .filter(name => name.endsWith('/model.onnx'))
    .map(name => name.slice(0, -'/model.onnx'.length))

  test('all are decoded and encoded again, or refused with a reason', { timeout: 60_000 }, () => {
    const refused: string[] = []
    for (const name of names) {
      const model = decodedOrRefused(files.get(`${name}/model.onnx`)!)
      if (model instanceof RobustlyError) {
        refused.push(`${name.split('/').at(-1)}: ${model.message}`)
        continue
      }
      const again = decodeModel(encodeModel(model.graph, { functions: model.functions }))
      // Names may have to be made unique; values of tensors are another test's.
      const shapes = ({ graph }: Model) =>
        graph.nodes.map(node => [node.op, node.inputs, node.outputs, [...node.attributes.keys()]])
      expect(shapes(again)).toEqual(shapes(model))
      expect(again.graph.inputs).toEqual(model.graph.inputs)
      expect(again.graph.outputs).toEqual(model.graph.outputs)
    }
    expect(names.length).toBe(1615)
    expect(refused.filter(text => !text.includes('has no inputs'))).toEqual([])
  })

  test('at the canonical opset, they compute what they computed', { timeout: 120_000 }, async () => {
    const engine = await loadEngine()
    let compared = 0
    const different: string[] = []
    for (const name of names) {
      const bytes = files.get(`${name}/model.onnx`)!
      const model = decodedOrRefused(bytes)
      const after = model instanceof RobustlyError ? model : canonicalOrRefused(model)
      if (model instanceof RobustlyError || after instanceof RobustlyError) continue
      const feeds = feedsOf(model, index => files.get(`${name}/test_data_set_0/input_${index}.pb`))
      const before = feeds === undefined ? undefined : await run(engine, bytes, feeds).catch(() => undefined)
      // Cases that ONNX Runtime itself does not run (types without a kernel) say nothing here.
      if (feeds === undefined || before === undefined) continue
      const now = await run(engine, encodeModel(after, { functions: model.functions }), feeds).catch(String)
      if (typeof now === 'string' || !isSame(now, before)) different.push(`${name.split('/').at(-1)}: ${now}`)
      compared++
    }
    expect(different).toEqual([])
    expect(compared).toBeGreaterThan(1290)
  })
})

function decodedOrRefused(bytes: Uint8Array): Model | RobustlyError {
  try {
    return decodeModel(bytes)
  } catch (error) {
    if (error instanceof RobustlyError) return error
    throw error
  }
}

/** Refused are operators newer than the canonical opset, and three of which the old version has no counterpart. */
function canonicalOrRefused({ graph }: Model): Graph | RobustlyError {
  try {
    return canonical(graph).graph
  } catch (error) {
    if (error instanceof RobustlyError && error.code === 'model-unsupported') return error
    throw error
  }
}

function feedsOf(model: Model, file: (index: number) => Uint8Array | undefined): Map<string, Tensor> | undefined {
  const feeds = new Map<string, Tensor>()
  for (const [i, input] of model.graph.inputs.entries()) {
    const bytes = file(i)
    if (bytes === undefined || input.dtype === 'other') return undefined
    feeds.set(input.name, readTensor(fromBinary(TensorProtoSchema, bytes), input.name).load())
  }
  return feeds
}

async function run(
  engine: Engine,
  bytes: Uint8Array,
  feeds: ReadonlyMap<string, Tensor>,
): Promise<Map<string, Tensor>> {
  await using session = await engine.createSession({ bytes }, { threads: 1, optimization: 'none' })
  return await session.run(feeds)
}

function isSame(got: ReadonlyMap<string, Tensor>, wanted: ReadonlyMap<string, Tensor>): boolean {
  return [...wanted].every(([output, tensor]) => {
    const other = got.get(output)!
    if (other.dtype !== tensor.dtype || !sameShape(other.shape, tensor.shape)) return false
    const values = Array.from(other.data as ArrayLike<unknown>, Number)
    const worst = Array.from(tensor.data as ArrayLike<unknown>, Number).reduce((most, value, i) => {
      const apart = Object.is(value, values[i]) ? 0 : Math.abs(value - values[i]!) / (1 + Math.abs(value))
      return Number.isNaN(apart) ? Number.POSITIVE_INFINITY : Math.max(most, apart)
    }, 0)
    // Half floats are compared by their bits: one unit in the last place is at most 1e-3 of them.
    return worst < (tensor.dtype === 'float16' ? 2e-3 : 1e-5)
  })
}

/** The files of a tar archive: 512-byte headers with the name, the size in octal and a type, then the bytes, padded to 512. */
function untar(archive: Uint8Array): Map<string, Uint8Array> {
  const text = (from: number, length: number) =>
    new TextDecoder('latin1').decode(archive.subarray(from, from + length)).split('\0', 1)[0]!
  const files = new Map<string, Uint8Array>()
  for (let at = 0; at + 512 <= archive.length && archive[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 12), 8)
    const [prefix, name] = [text(at + 345, 155), text(at, 100)]
    if (archive[at + 156] === 0x30)
      files.set(prefix === '' ? name : `${prefix}/${name}`, archive.subarray(at + 512, at + 512 + size))
    at += 512 + Math.ceil(size / 512) * 512
  }
  return files
}
