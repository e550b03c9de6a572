/** What a model is and whether it can be attacked. Runs inside a worker process: a model may crash whoever loads it. */
import { openDataset } from '../data/dataset.js'
import { type InspectedEndpoint, inspectEndpoint } from '../evaluate/endpoint-facts.js'
import { spaceOf } from '../evaluate/evaluator.js'
import { type InspectedModel, inspectModel } from '../evaluate/facts.js'
import { preflight, preflightSamples } from '../evaluate/preflight.js'
import { suiteTimes } from '../evaluate/preflight-times.js'
import { plainSpace } from '../model/data-space.js'
import { loadEngine } from '../runtime/engine.js'
import { readModelFile } from '../runtime/files.js'
import type { EndpointRequest, FactsRequest } from './worker-protocol.js'

/** Throws what reading and running the model throws. */
export async function findFacts({
  model,
  allowHardlinks,
  engine,
  surrogates,
  data,
  check,
}: FactsRequest): Promise<InspectedModel> {
  const options = {
    ...(engine !== undefined && { engine }),
    ...(surrogates !== undefined && { surrogates }),
    allowHardlinks: allowHardlinks ?? false,
  }
  const dataset = data === undefined ? undefined : await openDataset(data.path, { verify: false })
  try {
    const space = dataset === undefined ? undefined : spaceOf(data!.space, dataset)
    const facts = await inspectModel(model, { ...options, ...(space !== undefined && { space }) })
    if (!check) return facts
    const ort = await loadEngine(engine === undefined ? {} : { require: engine })
    const file = await readModelFile(model, { allowHardlinks: options.allowHardlinks })
    const times = await suiteTimes(ort, file, space ?? plainSpace(facts.inputShape), facts)
    if (dataset === undefined) return { ...facts, times }
    const samples = await dataset.read(0, Math.min(dataset.count, preflightSamples))
    return { ...facts, times, data: await preflight(ort, file, space!, samples) }
  } finally {
    await dataset?.close()
  }
}

/** Throws what keeps the endpoint from being asked. */
export async function findEndpointFacts({ data, ...request }: EndpointRequest): Promise<InspectedEndpoint> {
  if (data === undefined) return inspectEndpoint(request)
  const dataset = await openDataset(data.path, { verify: false })
  try {
    return await inspectEndpoint({ ...request, space: spaceOf(data.space, dataset) })
  } finally {
    await dataset.close()
  }
}
