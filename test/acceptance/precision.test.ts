/** Quantised and half-precision exports of one network: gradients are found, and break more than noise does. */
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { openDataset } from '../../src/data/dataset.js'
import { inspectModel } from '../../src/evaluate/facts.js'
import { openVerifier } from '../../src/evaluate/verify.js'
import { loadEngine } from '../../src/runtime/engine.js'
import { readModelFile } from '../../src/runtime/files.js'
import { asset, mnist } from '../support/assets.js'
import { attacked } from '../support/attacked.js'
import { imageSpace } from '../support/models.js'

const folder = fileURLToPath(new URL('../exports/models/', import.meta.url))
const space = imageSpace(1, 28, 28)
const count = 40
const epsilon = 0.15

const rows = [
  { file: 'mnist-cnn-fp16.onnx', says: /float16/ },
  { file: 'mnist-cnn-bf16-weights.onnx', says: /bfloat16/ },
  { file: 'mnist-cnn-int8-qdq.onnx', says: /Quantised/ },
  { file: 'mnist-cnn-int8-qoperator.onnx', says: /Quantised/ },
  { file: 'mnist-cnn-int8-dynamic.onnx', says: /Quantised/ },
]

async function samples() {
  const data = await openDataset(mnist)
  const { inputs, labels } = await data.read(0, count)
  await data.close()
  return Array.from(labels, (label, i) => ({ input: inputs.slice(i * 784, (i + 1) * 784), label }))
}

const halves = asset('models/imagenet_squeezenet_fp16.onnx')

it.skipIf(halves === undefined)('SqueezeNet in half precision, from input to output, has a gradient', async () => {
  const { missing, warnings, classes, inputs } = await inspectModel(halves!)
  expect(inputs[0].dtype).toBe('float16')
  expect([...missing]).toEqual([])
  expect(warnings).toEqual([])
  expect(classes).toBe(1000)
})

it('a model that finds its ranges itself answers one sample at a time, whatever stands beside it', async () => {
  const file = await readModelFile(`${folder}mnist-cnn-int8-dynamic.onnx`)
  await using verifier = await openVerifier(await loadEngine(), file, space, { threads: 1, rows: 4 })
  const inputs = (await samples()).slice(0, 4).map(({ input }, i) => input.map(value => value * (i + 1)))
  const together = await verifier.scores(Float32Array.from(inputs.flatMap(input => [...input])))
  for (const [i, input] of inputs.entries()) {
    expect([...together.subarray(10 * i, 10 * i + 10)]).toEqual([...(await verifier.scores(input))])
  }
})

describe.each(rows)('$file', ({ file, says }) => {
  it('can be attacked with gradients, and the graph for that follows the file', async () => {
    const { missing, warnings, notes } = await inspectModel(folder + file, { space })
    expect([...missing]).toEqual([])
    expect(warnings).toEqual([])
    expect(notes.some(note => says.test(note))).toBe(true)
  })

  it('PGD leaves less than noise', { timeout: 60_000 }, async () => {
    const trial = { path: folder + file, space, samples: await samples(), epsilon }
    const noise = await attacked({ ...trial, attack: 'uniform-noise' })
    const pgd = await attacked({ ...trial, attack: 'pgd', options: { steps: 15, stepSize: 0.02 } })
    console.info(`${file}: of ${pgd.correct} noise breaks ${noise.broken}, PGD ${pgd.broken}`)
    expect(pgd.correct).toBeGreaterThan(count * 0.9)
    expect(pgd.broken).toBeGreaterThan(noise.broken + count / 2)
    expect(pgd.zeroGradients).toBe(0)
  })
})
