/** What is said of an endpoint before it is asked about samples: by its metadata, or by the file that describes it. */
import { RobustlyError } from '../errors.js'
import type { DataSpace } from '../model/data-space.js'
import { at } from '../model/endpoint/path.js'
import { datatypes, type Endpoint, inputInfo, type Mapping } from '../model/endpoint/schema.js'
import { placeholdersIn } from '../model/endpoint/template.js'
import { parsed } from '../model/endpoint/wire.js'
import { modelInputs } from '../model/inputs.js'
import { printable } from '../printable.js'
import { budgetSpent, type Client } from '../runtime/http/client.js'

/** Rows of a request where neither the service nor anybody else says how many. */
const usualRows = 8

/** An endpoint as it is stated: the number of classes may still be unknown, and the number of rows a wish. */
type WithoutClasses =
  | Omit<Extract<Endpoint, { protocol: 'v2' }>, 'classes'>
  | Omit<Extract<Endpoint, { protocol: 'json' }>, 'classes'>
export type StatedEndpoint = WithoutClasses & { readonly classes: number | undefined; readonly wished: boolean }

export function statedBy(url: string, mapping: Extract<Mapping, { protocol: 'json' }>): StatedEndpoint {
  const { protocol, method, request, samples, response, kind, classNames } = mapping
  const single = placeholdersIn(request).some(each => each.of === 'sample')
  return {
    ...{ protocol, url, method, request, samples, response, kind, classNames },
    classes: mapping.classes ?? classNames?.length,
    inputShape: null,
    rowsPerRequest: single ? 1 : (mapping.rowsPerRequest ?? usualRows),
    wished: mapping.rowsPerRequest !== undefined,
    fixedRows: false,
  }
}

interface TensorMetadata {
  readonly name: string
  readonly datatype: string
  readonly shape: readonly number[]
}

/** Asks a server of the Open Inference Protocol what the model takes and gives. */
export async function metadataOf(
  client: Client,
  url: string,
  mapping: Extract<Mapping, { protocol: 'v2' }>,
  space: Pick<DataSpace, 'bound'> = {},
): Promise<StatedEndpoint> {
  const reply = await client.ask({ method: 'GET', url, rows: 0 })
  if ('problem' in reply) throw unanswered(url, reply.problem)
  const answer = parsed(reply.text)
  if ('problem' in answer) throw unanswered(url, answer.problem)
  const inputs = tensorsOf(answer.json, 'inputs')
  const outputs = tensorsOf(answer.json, 'outputs')
  if (inputs.length === 0) {
    throw new RobustlyError('model-unsupported', `${url} states no input`, {
      hint: 'Describe what it takes in a file, with "protocol": "json", and give it with --endpoint.',
    })
  }
  const free = inputs.filter(({ name }) => !space.bound?.parts.some(({ input }) => input === name))
  const input = free[0]!
  const datatype = datatypes.find(each => each === input?.datatype)
  if (free.length === 1 && datatype === undefined) {
    throw new RobustlyError(
      'model-unsupported',
      `the input "${printable(input.name, 60)}" takes ${printable(input.datatype, 20)}, expected ${datatypes.join(', ')}`,
    )
  }
  modelInputs({ inputs: inputs.map(each => inputInfo(each.name, each.datatype, each.shape)) }, space)
  const others = inputs.filter(each => each !== input)
  const output = outputOf(outputs, mapping.output, url)
  const [batch, ...sample] = input.shape
  const fixed = batch !== undefined && batch > 0
  return {
    protocol: 'v2',
    url,
    kind: mapping.kind ?? (output !== undefined && /INT/.test(output.datatype) ? 'labels' : 'scores'),
    classes: mapping.classes ?? mapping.classNames?.length,
    classNames: mapping.classNames,
    inputShape: [null, ...sample.map(openDim)],
    rowsPerRequest: fixed ? batch : (mapping.rowsPerRequest ?? usualRows),
    wished: fixed || mapping.rowsPerRequest !== undefined,
    fixedRows: fixed,
    input: { name: input.name, datatype: datatype! },
    ...(others.length > 0 && {
      others: others.map(each => ({ ...each, shape: [null, ...each.shape.slice(1).map(openDim)] })),
    }),
    output: output?.name ?? '',
  }
}

const openDim = (dim: number) => (dim > 0 ? dim : null)

/** The output of that name, else the first with a row of scores for each sample, else the first. */
function outputOf(
  outputs: readonly TensorMetadata[],
  wanted: string | undefined,
  url: string,
): TensorMetadata | undefined {
  const named = outputs.find(({ name }) => name === wanted)
  if (wanted !== undefined && named === undefined && outputs.length > 0) {
    const names = outputs.map(({ name }) => `"${printable(name, 40)}"`).join(', ')
    throw new RobustlyError('config', `${url} has no output "${printable(wanted, 60)}"; it has ${names}`)
  }
  const scores = outputs.find(({ datatype, shape }) => /^(FP|BF)/.test(datatype) && shape.length === 2)
  return named ?? scores ?? outputs[0]
}

/** Tensors of metadata; what is none is left out, for servers need not state any. */
function tensorsOf(metadata: unknown, key: 'inputs' | 'outputs'): TensorMetadata[] {
  const list = at(metadata, [{ key }])
  if (!Array.isArray(list)) return []
  return list.flatMap(each => {
    const [name, datatype, shape] = ['name', 'datatype', 'shape'].map(part => at(each, [{ key: part }]))
    const isTensor = typeof name === 'string' && typeof datatype === 'string' && Array.isArray(shape)
    return isTensor && shape.every(Number.isSafeInteger) ? [{ name, datatype, shape: shape as number[] }] : []
  })
}

/** Samples in the shape that the endpoint states. Throws `model-unsupported` when it states none. */
export function spaceOfEndpoint({ inputShape, url }: StatedEndpoint): DataSpace {
  const shape = inputShape?.slice(1)
  if (shape === undefined || shape.length === 0 || shape.includes(null)) {
    throw new RobustlyError('model-unsupported', `${url} does not state the shape of its input`, {
      hint: 'It is taken from the data: give --data.',
    })
  }
  const none = undefined
  return { sampleShape: shape as number[], dataLayout: none, modelLayout: none, mean: none, std: none }
}

/** Why an endpoint cannot be evaluated at all, and what to do about it. */
export function unanswered(url: string, problem: string): RobustlyError {
  if (problem.includes(budgetSpent)) {
    return new RobustlyError('budget-spent', `${budgetSpent} before it is known what ${url} is`, {
      hint: 'Give a larger --query-budget.',
    })
  }
  return new RobustlyError('endpoint-failed', `${url} cannot be asked: ${problem}`, {
    hint: /which is not asked/.test(problem)
      ? 'Addresses of this machine and of private networks are asked with --allow-private only, link-local and metadata addresses never.'
      : 'Check the address, the headers and what the service expects; robustly inspect ADDRESS shows what it says.',
  })
}
