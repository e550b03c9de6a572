/**
 * The ONNX standard's own test cases: one model of one operator each, with inputs and outputs. They come as an archive in
 * `../shared/assets` beside the repository, which may be absent.
 */
import { existsSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { fromBinary } from '@bufbuild/protobuf'
import { decodeModel, type Model } from '../../src/onnx/codec/index.js'
import { readTensor } from '../../src/onnx/codec/tensors.js'
import { TensorProtoSchema } from '../../src/onnx/generated/onnx-ml_pb.js'
import type { Tensor } from '../../src/tensor/tensor.js'

const archive = new URL('../../../shared/assets/conformance/onnx-v1.19.0-node-tests.tar.gz', import.meta.url)

export const hasConformanceCases = existsSync(archive)

export interface ConformanceCase {
  readonly name: string
  readonly model: Uint8Array
  readonly inputs: readonly Uint8Array[]
  readonly outputs: readonly Uint8Array[]
}

/** All cases with a model, by name. */
export function conformanceCases(): ConformanceCase[] {
  const folders = new Map<string, Map<string, Uint8Array>>()
  for (const [path, bytes] of tarEntries(gunzipSync(readFileSync(archive)))) {
    const match = /\/node\/(test_[^/]+)\/(?:test_data_set_0\/)?([^/]+)$/.exec(path)
    if (match === null) continue
    const files = folders.get(match[1]!) ?? new Map<string, Uint8Array>()
    folders.set(match[1]!, files.set(match[2]!, bytes))
  }
  return [...folders].flatMap(([name, files]) => {
    const model = files.get('model.onnx')
    if (model === undefined) return []
    const listed = (kind: string) => {
      const found: Uint8Array[] = []
      for (let i = 0; files.has(`${kind}_${i}.pb`); i++) found.push(files.get(`${kind}_${i}.pb`)!)
      return found
    }
    return [{ name, model, inputs: listed('input'), outputs: listed('output') }]
  })
}

export function modelOf(test: ConformanceCase): Model {
  return decodeModel(test.model)
}

/** A tensor of a case. Throws for sequences and element types that nothing here computes with. */
export function tensorOf(bytes: Uint8Array): Tensor {
  return readTensor(fromBinary(TensorProtoSchema, bytes), 'a tensor of a conformance case').load()
}

/** Regular files of a tar archive: 512-byte headers with the name at 0, the size (octal) at 124 and the type at 156. */
function* tarEntries(tar: Uint8Array): Generator<[string, Uint8Array]> {
  const text = (from: number, length: number) =>
    new TextDecoder().decode(tar.subarray(from, from + length)).replace(/\0.*$/s, '')
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 12), 8)
    const prefix = text(at + 345, 155)
    const name = text(at, 100)
    if (tar[at + 156] === 0x30 || tar[at + 156] === 0) {
      yield [prefix === '' ? name : `${prefix}/${name}`, tar.subarray(at + 512, at + 512 + size)]
    }
    at += 512 + Math.ceil(size / 512) * 512
  }
}
