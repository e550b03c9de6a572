/** Small graphs and model messages for the tests of the codec. */
import { create, toBinary } from '@bufbuild/protobuf'
import { expect } from 'vitest'
import { RobustlyError } from '../../src/errors.js'
import { type ModelProto, ModelProtoSchema, TypeProtoSchema } from '../../src/onnx/generated/onnx-ml_pb.js'
import type { Graph, Node } from '../../src/onnx/graph.js'

export const relu = (from: string, to: string, name = `relu-${to}`): Node => ({
  name,
  op: 'Relu',
  domain: '',
  inputs: [from],
  outputs: [to],
  attributes: new Map(),
})

export function graphOf(nodes: readonly Node[], more: Partial<Graph> = {}): Graph {
  return {
    name: 'test',
    opsets: new Map([['', 21]]),
    inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', 3] }],
    outputs: [{ name: 'y', dtype: 'float32', shape: ['batch', 3] }],
    nodes,
    initializers: new Map(),
    valueInfo: new Map(),
    ...more,
  }
}

export const small = graphOf([relu('x', 'y')])

/** A model message that is valid until `change` touches it. */
export function model(change: (proto: ModelProto) => unknown = () => {}): Uint8Array {
  const tensorType = { elemType: 1, shape: { dim: [{ value: { case: 'dimValue' as const, value: 3n } }] } }
  const type = create(TypeProtoSchema, { value: { case: 'tensorType', value: tensorType as never } })
  const proto = create(ModelProtoSchema, {
    irVersion: 8n,
    opsetImport: [{ domain: '', version: 17n }],
    graph: {
      name: 'test',
      node: [{ name: 'first', opType: 'Relu', input: ['x'], output: ['y'] }],
      input: [{ name: 'x', type }],
      output: [{ name: 'y', type }],
    },
  })
  change(proto)
  return toBinary(ModelProtoSchema, proto)
}

export function failure(action: () => unknown): RobustlyError {
  try {
    action()
  } catch (error) {
    expect(error).toBeInstanceOf(RobustlyError)
    return error as RobustlyError
  }
  throw new Error('nothing was thrown')
}
