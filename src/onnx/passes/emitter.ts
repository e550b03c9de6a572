/** Writes several nodes that stand for one: fresh names, constants, the last node keeping the name that others read. */
import { float32, int64 } from '../../tensor/tensor.js'
import type { Attribute, Node } from '../graph.js'
import { elementTypes } from '../operators.js'
import { type Additions, intAttribute, makeNode } from './pass.js'

export class Emitter {
  readonly nodes: Node[] = []
  readonly #additions: Additions
  readonly #stem: string

  /** New values and constants are named after `stem`. */
  constructor(additions: Additions, stem: string) {
    this.#additions = additions
    this.#stem = stem
  }

  /** Emits a node of one output, fresh unless named, and gives its name. */
  op(
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    output = this.#additions.fresh(`${this.#stem}/${op}`),
  ): string {
    this.nodes.push(makeNode(op, inputs, [output], attributes))
    return output
  }

  /** Several outputs, all fresh. */
  split(
    op: string,
    inputs: readonly string[],
    count: number,
    attributes: Readonly<Record<string, Attribute>>,
  ): string[] {
    const outputs = Array.from({ length: count }, () => this.#additions.fresh(`${this.#stem}/${op}`))
    this.nodes.push(makeNode(op, inputs, outputs, attributes))
    return outputs
  }

  /** A constant list of integers. */
  integers(...values: readonly number[]): string {
    return this.#additions.constant(int64(values), `${this.#stem}/integers`)
  }

  /** A constant number of rank 0 in a float type. */
  number(value: number, dtype: keyof typeof elementTypes): string {
    const name = this.#additions.constant(float32([value], []), `${this.#stem}/number`)
    return dtype === 'float32' ? name : this.cast(name, dtype)
  }

  cast(x: string, dtype: keyof typeof elementTypes): string {
    return this.op('Cast', [x], { to: intAttribute(elementTypes[dtype]) })
  }

  /** Dimensions start … end - 1 of a value, as a list. */
  shape(x: string, start: number, end?: number): string {
    return this.op('Shape', [x], {
      start: intAttribute(start),
      ...(end === undefined ? {} : { end: intAttribute(end) }),
    })
  }
}
