/**
 * What goes over the wire and what comes back, for each protocol.
 *
 * Open Inference Protocol, version 2: github.com/kserve/open-inference-protocol, inference_rest.md.
 */
import { printable } from '../../printable.js'
import { at, parsePath } from './path.js'
import { type Expected, rowsOf } from './rows.js'
import type { Datatype, Endpoint } from './schema.js'
import { filled, type Placeholder } from './template.js'

export interface Wire {
  readonly method: string
  readonly url: string
  /** The body that asks for `count` rows laid one after the other; `shape` is that of one input. `others`: what is sent beside them. */
  encode(rows: Float32Array, count: number, shape: readonly number[], others?: readonly SentInput[]): string
  /** Scores [count, classes] of an answer, or what is wrong with it. */
  decode(text: string, expected: Expected): Float32Array | string
}

/** An input that is not attacked, with its values in all rows. */
export interface SentInput {
  readonly name: string
  readonly datatype: string
  /** Of one row. */
  readonly shape: readonly number[]
  readonly values: Float32Array
}

export function wireOf(endpoint: Endpoint): Wire {
  return endpoint.protocol === 'v2' ? v2Wire(endpoint) : jsonWire(endpoint)
}

function v2Wire({ url, input, output }: Extract<Endpoint, { protocol: 'v2' }>): Wire {
  const { name, datatype } = input
  return {
    method: 'POST',
    url: `${url}/infer`,
    encode(rows, count, shape, others = []) {
      const tensor = (input: Omit<SentInput, 'values'>, data: string) =>
        `${JSON.stringify({ name: input.name, shape: [count, ...input.shape], datatype: input.datatype }).slice(0, -1)},"data":${data}}`
      const inputs = [
        tensor({ name, datatype, shape }, numbers(rows, datatype)),
        ...others.map(each => tensor(each, constants(each))),
      ]
      const outputs = output === '' ? '' : `,"outputs":${JSON.stringify([{ name: output }])}`
      return `{"inputs":[${inputs.join(',')}]${outputs}}`
    },
    decode(text, expected) {
      const value = parsed(text)
      if ('problem' in value) return value.problem
      const outputs = at(value.json, [{ key: 'outputs' }])
      if (!Array.isArray(outputs) || outputs.length === 0) return 'the answer holds no outputs'
      const named =
        outputs.find(each => at(each, [{ key: 'name' }]) === output) ?? (outputs.length === 1 ? outputs[0] : undefined)
      if (named === undefined) return `the answer holds no output "${printable(output, 60)}"`
      const shape = at(named, [{ key: 'shape' }])
      if (Array.isArray(shape) && shape[0] !== expected.count) {
        return `the answer has the shape ${printable(JSON.stringify(shape), 60)}, expected ${expected.count} rows`
      }
      return rowsOf(at(named, [{ key: 'data' }]), expected)
    },
  }
}

function jsonWire({ url, method, request, samples, response }: Extract<Endpoint, { protocol: 'json' }>): Wire {
  const path = parsePath(response)
  return {
    method,
    url,
    encode(rows, count, shape, others = []) {
      return filled(request, ({ of, input }) => {
        const { values, shape: own } =
          input === undefined ? { values: rows, shape } : others.find(({ name }) => name === input)!
        return valueTexts[of](values, own, count, sampleTexts[samples])
      })
    },
    decode(text, expected) {
      const value = parsed(text)
      if ('problem' in value) return value.problem
      if (typeof path === 'string') return path
      const rows = at(value.json, path)
      return rows === undefined ? `the answer holds nothing at ${printable(response, 100)}` : rowsOf(rows, expected)
    },
  }
}

type SampleText = (sample: Float32Array, shape: readonly number[]) => string

/** What stands for the values of so many rows of one input. */
const valueTexts: Readonly<
  Record<Placeholder['of'], (values: Float32Array, shape: readonly number[], count: number, text: SampleText) => string>
> = {
  samples(values, shape, count, text) {
    const size = values.length / count
    const each = Array.from({ length: count }, (_, row) => text(values.subarray(row * size, (row + 1) * size), shape))
    return `[${each.join(',')}]`
  },
  sample: (values, shape, count, text) => text(values.subarray(0, values.length / count), shape),
  shape: (_, shape, count) => JSON.stringify([count, ...shape]),
  count: (_, __, count) => String(count),
}

const sampleTexts: Readonly<Record<string, SampleText>> = {
  nested: nestedText,
  flat: sample => numbers(sample, 'FP32'),
  base64: sample => `"${base64(sample)}"`,
}

/** Every float32 is a double, and doubles survive JSON: the server gets the very same numbers. */
function numbers(values: Float32Array, datatype: Datatype): string {
  const sent = datatype === 'UINT8' ? values.map(value => Math.round(255 * Math.min(1, Math.max(0, value)))) : values
  return JSON.stringify(Array.from(sent))
}

/** Values as the data have them, in the element type of the input. */
function constants({ datatype, values }: SentInput): string {
  if (datatype === 'BOOL') return JSON.stringify(Array.from(values, value => value !== 0))
  return JSON.stringify(Array.from(values, datatype.startsWith('FP') ? Number : Math.round))
}

function nestedText(values: Float32Array, [size, ...inner]: readonly number[]): string {
  if (size === undefined) return JSON.stringify(values[0])
  if (inner.length === 0) return numbers(values, 'FP32')
  const step = values.length / size
  const parts = Array.from({ length: size }, (_, i) => nestedText(values.subarray(i * step, (i + 1) * step), inner))
  return `[${parts.join(',')}]`
}

function base64(values: Float32Array): string {
  const view = new DataView(new ArrayBuffer(values.length * 4))
  values.forEach((value, i) => {
    view.setFloat32(4 * i, value, true)
  })
  const bytes = new Uint8Array(view.buffer)
  let binary = ''
  for (let i = 0; i < bytes.length; i += 8192) binary += String.fromCharCode(...bytes.subarray(i, i + 8192))
  return btoa(binary)
}

/** The JSON of an answer, or in what way it is none. */
export function parsed(text: string): { readonly json: unknown } | { readonly problem: string } {
  try {
    return { json: JSON.parse(text) as unknown }
  } catch {
    if (text.trim() === '') return { problem: 'the answer is empty' }
    if (/^\s*</.test(text)) return { problem: 'the answer is a web page, not JSON' }
    if (/\b(NaN|Infinity)\b/.test(text))
      return { problem: 'the answer holds NaN or Infinity, which JSON does not have' }
    return { problem: `the answer is not JSON: "${printable(text.slice(0, 200), 60)}"` }
  }
}
