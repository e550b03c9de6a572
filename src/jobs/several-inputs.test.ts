/** Models with several inputs in real runs: one is attacked, the others get columns of a table or arrays of an .npz. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { essence, temporaryFolder } from '../../test/support/digits.js'
import { serveModel } from '../../test/support/model-server.js'
import { severalInputs, withOpenBatch } from '../../test/support/several-inputs.js'
import { openDataset } from '../data/dataset.js'
import { writeNpz } from '../data/npz-write.js'
import { decodeFloats } from '../evaluate/record.js'
import { labelOf } from '../model/batch-model.js'
import { GraphBuilder } from '../onnx/build.js'
import { encodeModel } from '../onnx/codec/index.js'
import { randomStream } from '../random.js'
import { loadEngine } from '../runtime/engine.js'
import { bool, float32, int64, sizeOf, type Tensor } from '../tensor/tensor.js'
import { evaluate } from './evaluate.js'
import { exportExamples } from './export.js'
import { inspect, inspectService } from './inspect.js'
import { readRun } from './read-run.js'
import { linesOf, parseRecord } from './records.js'
import { replay } from './replay.js'
import { openService } from './service.js'

const count = 12
function drawn(name: string) {
  const random = randomStream(1, 0, name)
  return {
    uniform: (length: number) => Float32Array.from({ length }, () => random.uniform()),
    some: (length: number, below: number) => Array.from({ length }, () => random.integer(below)),
  }
}

/** What the model file says of each batch of samples, one after the other: the labels of data that it is always right on. */
async function labelsBy(path: string, batches: readonly Readonly<Record<string, Tensor>>[]): Promise<number[]> {
  const engine = await loadEngine()
  const session = await engine.createSession({ path }, { threads: 1 })
  const labels: number[] = []
  for (const feeds of batches) {
    const { data, shape } = (await session.run(new Map(Object.entries(feeds)))).get('logits')!
    const [rows, classes] = shape as [number, number]
    for (let row = 0; row < rows; row++) labels.push(labelOf(data as Float32Array, row * classes, (row + 1) * classes))
  }
  await session.release()
  return labels
}

/** The model with an image, ids, a mask (all ones unless it is given) and a number, and samples of it that it is always right on. */
async function severalInputsAndData(name: string, maskOf: (draw: ReturnType<typeof drawn>) => number[] = () => ones) {
  const draw = drawn(name)
  const folder = temporaryFolder()
  const model = join(folder, 'several.onnx')
  writeFileSync(model, encodeModel(withOpenBatch(severalInputs())))
  const image = float32(draw.uniform(count * 16), [count, 1, 4, 4])
  const ids = int64(draw.some(count * 2, 6), [count, 2])
  const mask = maskOf(draw)
  const context = float32(draw.uniform(count), [count])
  const labels = await labelsBy(model, [{ image, ids, mask: bool(mask, [count, 4]), context }])
  const path = join(folder, 'data.npz')
  await writeNpz(path, { x: image, y: int64(labels), ids, mask: int64(mask, [count, 4]), context })
  return { folder, model, path }
}

const ones = new Array<number>(count * 4).fill(1)

function written(folder: string, value: object): string {
  const file = join(folder, 'endpoint.json')
  writeFileSync(file, JSON.stringify(value))
  return file
}

const recordsOf = (folder: string) => [...linesOf(join(folder, 'records.jsonl'))].map(({ text }) => parseRecord(text)!)

test('an image is attacked; ids, a mask and a number come from arrays', async () => {
  const { folder, model, path } = await severalInputsAndData('several inputs', ({ some }) =>
    some(count * 4, 2).map((value, at) => (at % 4 === 0 ? 1 : value)),
  )
  const data = `${path}:bind=ids,bind=mask=mask,bind=context`
  const options = { model, data, epsilon: '0.6', processes: 1, batch: 8, individual: true } as const
  const attacks = [
    { name: 'pgd', options: { steps: 20 } },
    { name: 'square', options: { queries: 100 } },
    { name: 'hop-skip-jump', options: { steps: 2, mostQueries: 50 } },
    { name: 'uap-sgd', options: { samples: count } },
  ]
  const run = join(folder, 'run')
  const { result } = await evaluate({ ...options, attacks, run })
  expect(result.accuracy.standard).toMatchObject({ correct: count, count })
  expect(result.model.inputShape).toEqual([1, 4, 4])
  const [pgd, square, hopSkipJump, universal] = result.attacks.map(({ broken }) => broken)
  expect(pgd).toBeGreaterThan(3)
  expect(square).toBeGreaterThan(3)
  expect(hopSkipJump).toBeGreaterThan(6)
  expect(universal).toBeGreaterThan(2)
  const proofs = recordsOf(run).flatMap(({ adversarial }) => adversarial ?? [])
  expect(proofs.length).toBeGreaterThanOrEqual(pgd!)
  for (const proof of proofs) expect(Buffer.from(proof, 'base64')).toHaveLength(16 * 4)
  expect(await replay(run, { model, data })).toMatchObject({ refuted: 0, confirmedAdversarial: proofs.length })
  const { document } = await readRun(run)
  expect(document.command).toContain('--data data.npz:bind=ids,bind=mask=mask,bind=context')
  expect(document.gallery).toMatchObject({ kind: 'image', shape: [1, 4, 4] })
  const examples = join(folder, 'examples.npz')
  await exportExamples(run, examples, { model, data })
  const written = await openDataset(examples, { keys: { inputs: 'adversarial' } })
  expect(written).toMatchObject({ count: proofs.length, sampleShape: [1, 4, 4] })
  await written.close()
  // The same bytes for another batch size: a search meets the values of its own sample in whatever row it stands.
  await evaluate({ ...options, attacks, run: join(folder, 'again'), batch: 3 })
  expect(essence(join(folder, 'again'))).toEqual(essence(run))
})

test('an endpoint with several inputs gives the records of the file', async () => {
  const { folder, model, path } = await severalInputsAndData('endpoint')
  const data = `${path}:bind=context,bind=mask,bind=ids`
  const options = { data, epsilon: '0.6', attacks: [{ name: 'square', options: { queries: 60 } }] } as const
  const { result } = await evaluate({ ...options, model, run: join(folder, 'file'), processes: 1 })
  expect(result.attacks[0]!.broken).toBeGreaterThan(3)
  const { url } = await serveModel(model)
  const service = openService({ address: url, variables: {}, limits: { allowPrivate: true } })
  await evaluate({ ...options, model: service.url, service, run: join(folder, 'http') })
  expect(recordsOf(join(folder, 'http'))).toEqual(recordsOf(join(folder, 'file')))
  const again = await replay(join(folder, 'http'), {
    service: { variables: {}, limits: { allowPrivate: true } },
    model: url,
  })
  expect(again).toMatchObject({ refuted: 0, confirmedAdversarial: result.attacks[0]!.broken })
  await expect(inspectService(service, { data: path })).rejects.toMatchObject({
    message: expect.stringContaining('the model has 4 inputs ("image" FP32 [?, 1, 4, 4], "ids" INT64 [?, 2]'),
    hint: expect.stringContaining('bind=ids=NAME'),
  })
})

test('a plain JSON endpoint gets what its request names, and gives the records of the file', async () => {
  const { folder, model, path } = await severalInputsAndData('plain endpoint')
  const data = `${path}:bind=context,bind=mask,bind=ids`
  const options = { data, epsilon: '0.6', attacks: [{ name: 'square', options: { queries: 60 } }] } as const
  const { result } = await evaluate({ ...options, model, run: join(folder, 'file'), processes: 1 })
  expect(result.attacks[0]!.broken).toBeGreaterThan(3)
  const { plain } = await serveModel(model)
  const inputs = { mask: '$samples.mask', ids: '$samples.ids' }
  const described = (request: object) =>
    openService({
      address: plain,
      file: written(folder, { protocol: 'json', request, response: 'predictions[*].scores', kind: 'scores' }),
      variables: {},
      limits: { allowPrivate: true },
    })
  const service = described({ instances: '$samples', context: '$samples.context', ...inputs })
  await evaluate({ ...options, model: service.url, service, run: join(folder, 'http') })
  expect(recordsOf(join(folder, 'http'))).toEqual(recordsOf(join(folder, 'file')))
  // A binding that the request does not name, and a name that nothing is bound to.
  await expect(inspectService(described({ instances: '$samples', ...inputs }), { data })).rejects.toMatchObject({
    message:
      'the data bind the input "context", the model has "$samples" FP32 [unknown], "mask" FP32 [unknown], "ids" FP32 [unknown]',
  })
  await expect(inspectService(service, { data: `${path}:bind=context,bind=mask` })).rejects.toMatchObject({
    message: expect.stringContaining('one is attacked, the data must say what the others get'),
    hint: expect.stringContaining('bind=ids=NAME'),
  })
})

test('features are attacked; named columns go to the other input', async () => {
  const { uniform } = drawn('features')
  const folder = temporaryFolder()
  const model = join(folder, 'two.onnx')
  const b = new GraphBuilder('two')
  const person = b.input('person', 'float32', [1, 3])
  const context = b.input('context', 'float32', [1, 2])
  const weights = (shape: readonly number[]) =>
    b.constant(
      float32(
        uniform(sizeOf(shape)).map(value => value - 0.5),
        shape,
      ),
    )
  const hidden = b.tanh(b.add(b.matMul(person, weights([3, 8])), b.matMul(context, weights([2, 8]))))
  b.output(b.matMul(hidden, weights([8, 2])), 'logits')
  writeFileSync(model, encodeModel(b.build()))
  const [people, contexts] = [uniform(count * 3), uniform(count * 2)]
  const labels = await labelsBy(
    model,
    Array.from({ length: count }, (_, row) => ({
      person: float32(people.slice(row * 3, row * 3 + 3), [1, 3]),
      context: float32(contexts.slice(row * 2, row * 2 + 2), [1, 2]),
    })),
  )
  // The columns of the context stand apart and in the other order.
  const rows = labels.map((label, row) => [
    contexts[row * 2 + 1],
    ...people.slice(row * 3, row * 3 + 3),
    label,
    contexts[row * 2],
  ])
  const path = join(folder, 'people.csv')
  writeFileSync(path, `year,age,debt,limit,class,region\n${rows.map(row => row.join(',')).join('\n')}\n`)
  const data = `${path}:label=class,bind=context=region,bind=context=year`
  const constraints = join(folder, 'constraints.json')
  writeFileSync(constraints, JSON.stringify({ features: { age: { immutable: true }, limit: { epsilon: 3 } } }))
  const run = join(folder, 'run')
  const attacks = [{ name: 'pgd', options: {} }]
  const { result } = await evaluate({ model, data, epsilon: '0.5', constraints, attacks, run, processes: 1, batch: 4 })
  expect(result.accuracy.standard.correct).toBe(count)
  expect(result.attacks[0]!.broken).toBeGreaterThan(2)
  const limits = recordsOf(run).flatMap(({ index, adversarial }) => {
    if (adversarial === null) return []
    const [age, , limit] = decodeFloats(adversarial)
    expect(age).toBe(people[index * 3])
    return [Math.abs(limit! - people[index * 3 + 2]!)]
  })
  // Its own radius, not epsilon.
  expect(Math.max(...limits)).toBeGreaterThan(0.6)
  expect(Math.max(...limits)).toBeLessThanOrEqual(3)
  expect(await replay(run, { model, data })).toMatchObject({
    refuted: 0,
    confirmedAdversarial: result.attacks[0]!.broken,
  })
  // Other values of the context are other data.
  await expect(
    replay(run, { model, data: `${path}:label=class,bind=context=year,bind=context=region` }),
  ).rejects.toMatchObject({
    code: 'run-mismatch',
  })
  const facts = await inspect(model, { data })
  expect(facts.inputs.map(({ name }) => name)).toEqual(['person', 'context'])
  expect(facts).toMatchObject({ inputShape: [3], data: { count, correct: count } })
  expect(facts.notes).toContain('The input "person" is attacked; the data fill "context".')
  await expect(inspect(model, { data: `${path}:label=class` })).rejects.toMatchObject({
    message: expect.stringContaining('the model has 2 inputs ("person" float32 [1, 3], "context" float32 [1, 2])'),
    hint: expect.stringContaining('bind=context=NAME'),
  })
})
