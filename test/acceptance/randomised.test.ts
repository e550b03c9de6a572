/** A robust model behind strong noise: what averaging gradients over draws is for. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openEvaluator } from '../../src/evaluate/evaluator.js'
import type { SampleRecord } from '../../src/evaluate/record.js'
import { planAttacks } from '../../src/evaluate/suite.js'
import { encodeModel } from '../../src/onnx/codec/index.js'
import type { Node } from '../../src/onnx/graph.js'
import { readModelFile } from '../../src/runtime/files.js'
import { mnist } from '../support/assets.js'

const count = 16

/** The robust example with Gaussian noise added to its input; a path. */
async function noisyExample(scale: number): Promise<string> {
  const { graph } = await readModelFile('examples/models/mnist-cnn-robust.onnx', { allowHardlinks: true })
  const [input] = graph.inputs
  const node = (op: string, inputs: readonly string[], output: string, attributes: Node['attributes'] = new Map()) => ({
    name: output,
    op,
    domain: '',
    inputs,
    outputs: [output],
    attributes,
  })
  const noise = node('RandomNormalLike', [input!.name], 'noise', new Map([['scale', { type: 'float', value: scale }]]))
  const sum = node('Add', [input!.name, 'noise'], 'noisy')
  const rest = graph.nodes.map(each => ({
    ...each,
    inputs: each.inputs.map(name => (name === input!.name ? 'noisy' : name)),
  }))
  const folder = mkdtempSync(join(tmpdir(), 'robustly-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'noisy.onnx')
  writeFileSync(path, encodeModel({ ...graph, nodes: [noise, sum, ...rest] }))
  return path
}

async function recordsOf(model: string, eot: number): Promise<SampleRecord[]> {
  const records: SampleRecord[] = []
  await using evaluator = await openEvaluator({
    spec: {
      model: { path: model, sha256: '', allowHardlinks: true },
      data: { path: mnist, sha256: '', range: [0, count], space: {} },
      threat: { norm: 'Linf', epsilon: 0.3, epsilonText: '0.3', box: [0, 1] },
      suite: 'custom',
      attacks: planAttacks([{ name: 'apgd-ce', options: { steps: 20, eot } }], 'Linf'),
      mode: 'cascade',
      seed: 0,
      draws: 100,
    },
    plan: { batch: 32, threads: 1 },
    record: record => records.push(record),
    spent: () => {},
  })
  evaluator.add(0, count)
  evaluator.close()
  await evaluator.run()
  return records
}

test('APGD that averages 20 gradients breaks what single gradients do not', async () => {
  const model = await noisyExample(0.4)
  const left = async (eot: number) => {
    const records = await recordsOf(model, eot)
    for (const { verdict, wrongDraws } of records) expect(wrongDraws! > 50).toBe(verdict === 'broken')
    return records.filter(({ verdict }) => verdict === 'robust').length
  }
  const [single, averaged] = [await left(1), await left(20)]
  console.info(`left of ${count}: ${single} by single gradients, ${averaged} by means of 20`)
  expect(averaged).toBeLessThan(single)
})
