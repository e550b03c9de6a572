/** Nodes and attributes written by hand, for tests of passes. */
import type { Attribute, Node } from '../../src/onnx/graph.js'

export const int = (value: number): Attribute => ({ type: 'int', value })
export const ints = (...value: number[]): Attribute => ({ type: 'ints', value })
export const float = (value: number): Attribute => ({ type: 'float', value })
export const floats = (...value: number[]): Attribute => ({ type: 'floats', value })
export const text = (value: string): Attribute => ({ type: 'string', value })

export type Attributes = Readonly<Record<string, Attribute>>

export function node(op: string, inputs: string[], outputs: string[], attributes: Attributes = {}): Node {
  const name = `the ${op} ${outputs[0]}`
  return { name, op, domain: '', inputs, outputs, attributes: new Map(Object.entries(attributes)) }
}
