/** A real HTTP server that serves an ONNX file by the Open Inference Protocol v2 and as plain JSON, with faults on demand. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import { labelOf } from '../../src/model/batch-model.js'
import { loadEngine } from '../../src/runtime/engine.js'
import type { Session } from '../../src/runtime/session.js'
import { bool, float32, int64, type Tensor } from '../../src/tensor/tensor.js'

export interface Call {
  /** Number of the request for inference, from 0. */
  readonly number: number
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly body: string
}

/** Answers in place of the model and says true, or lets the model answer. */
export type Fault = (call: Call) => boolean | Promise<boolean>

export interface ModelServer {
  readonly origin: string
  /** `http://127.0.0.1:PORT/v2/models/digits` */
  readonly url: string
  /** `http://127.0.0.1:PORT/predict`: {"instances": [sample], "NAME": [value]} gives {"predictions": [{"scores": [], "label": 0}]}. */
  readonly plain: string
  /** Rows of each request for inference, in order. */
  readonly rows: number[]
  readonly headers: IncomingMessage['headers'][]
  fault: Fault
}

/** Serves until the test ends. `metadata` is laid over what the server says of the model. */
export async function serveModel(
  path: string,
  { metadata = {}, probabilities = false }: { readonly metadata?: object; readonly probabilities?: boolean } = {},
): Promise<ModelServer> {
  const engine = await loadEngine()
  const session = await engine.createSession({ path }, { threads: 1 })
  const state: { rows: number[]; headers: IncomingMessage['headers'][]; fault: Fault } = {
    rows: [],
    headers: [],
    fault: () => false,
  }
  const server = createServer((request, response) => {
    handle(request, response).catch(error => respond(response, { error: String(error) }, 400))
  })
  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '/', 'http://server')
    if (pathname === '/v2/models/digits' && request.method === 'GET') return respond(response, description())
    let body = ''
    for await (const chunk of request) body += chunk
    const number = state.headers.push(request.headers) - 1
    if (await state.fault({ number, request, response, body })) return
    const question = JSON.parse(body) as Question
    const isPlain = pathname === '/predict'
    const sent = isPlain ? plainInputs(question) : question.inputs!
    // What is said of a single input may be laid over.
    const nameOf = (name: string) => (sent.length === 1 ? session.inputs[0]!.name : name)
    const data = new Map(sent.map(({ name, data }) => [nameOf(name), data.flat(4) as number[]]))
    const scores = await run(session, data, probabilities)
    state.rows.push(scores.length)
    if (isPlain) {
      respond(response, { predictions: scores.map(row => ({ scores: [...row], label: labelOf(row) })) })
    } else {
      const shape = [scores.length, scores[0]!.length]
      const output = { name: session.outputs[0]!.name, datatype: 'FP32', shape, data: scores.flatMap(row => [...row]) }
      respond(response, { model_name: 'digits', model_version: '1', outputs: [output] })
    }
  }
  /** What stands beside the instances is of the inputs of that name. */
  function plainInputs({ instances, ...others }: Question) {
    const named = Object.entries(others).map(([name, data]) => ({ name, data: data as readonly unknown[] }))
    return [{ name: session.inputs[0]!.name, data: instances! }, ...named]
  }
  function description() {
    const tensor = ({ name, dtype, shape }: Session['inputs'][number]) => ({
      name,
      datatype: datatypes[dtype] ?? 'FP32',
      shape: shape?.map(dim => (typeof dim === 'number' ? dim : -1)),
    })
    const [inputs, outputs] = [session.inputs.map(tensor), session.outputs.map(tensor)]
    return { name: 'digits', versions: ['1'], platform: 'onnxruntime_onnx', inputs, outputs, ...metadata }
  }
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
    await session.release()
  })
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return Object.assign(state, { origin, url: `${origin}/v2/models/digits`, plain: `${origin}/predict` })
}

interface Question {
  readonly inputs?: readonly { readonly name: string; readonly data: readonly unknown[] }[]
  readonly instances?: readonly unknown[]
}

/** As a server does: the rows of a request are one batch, where the model takes batches. */
async function run(
  session: Session,
  data: ReadonlyMap<string, readonly number[]>,
  probabilities: boolean,
): Promise<Float32Array[]> {
  const [{ name, shape }] = session.inputs as [Session['inputs'][number]]
  const sizeOf = (sample: readonly unknown[]) => (sample as number[]).reduce((a, b) => a * b, 1)
  const count = data.get(name)!.length / sizeOf(shape!.slice(1))
  const batch = typeof shape![0] === 'number' ? shape![0] : count
  const rows: Float32Array[] = []
  for (let at = 0; at < count; at += batch) {
    const feeds = session.inputs.map(({ name, dtype, shape }): [string, Tensor] => {
      const sample = shape!.slice(1) as number[]
      const part = data.get(name)!.slice(at * sizeOf(sample), (at + batch) * sizeOf(sample))
      return [name, tensors[dtype]!(part, [batch, ...sample])]
    })
    const outputs = await session.run(new Map(feeds))
    const scores = outputs.get(session.outputs[0]!.name)!.data as Float32Array
    const classes = scores.length / batch
    for (let row = 0; row < batch; row++) rows.push(scores.slice(row * classes, (row + 1) * classes))
  }
  return probabilities ? rows.map(softmax) : rows
}

const datatypes: Readonly<Record<string, string>> = { float32: 'FP32', int64: 'INT64', bool: 'BOOL' }
const tensors: Readonly<Record<string, (values: readonly number[], shape: readonly number[]) => Tensor>> = {
  float32,
  int64,
  bool,
}

function softmax(scores: Float32Array): Float32Array {
  const powers = scores.map(score => Math.exp(score - Math.max(...scores)))
  const sum = powers.reduce((a, b) => a + b, 0)
  return powers.map(power => power / sum)
}

export function respond(response: ServerResponse, value: unknown, status = 200, headers: object = {}): void {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(text)
}
