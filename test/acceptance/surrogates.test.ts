/** The binarised traffic-sign network: all gradients are zero, so without surrogates a gradient attack is a random walk. */
import { readdirSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { surrogatesIn } from '../../src/autodiff/surrogates.js'
import { openVerifier } from '../../src/evaluate/verify.js'
import { labelOf } from '../../src/model/batch-model.js'
import { prepareModel, specialise, withoutGradient } from '../../src/model/compile.js'
import { loadEngine } from '../../src/runtime/engine.js'
import { readModelFile } from '../../src/runtime/files.js'
import { asset } from '../support/assets.js'
import { attacked } from '../support/attacked.js'

const folder = asset('vnn/traffic_signs_recognition_2023')
const path = `${folder}/onnx/3_30_30_QConv_16_3_QConv_32_2_Dense_43_ep_30.onnx`
const space = {
  sampleShape: [30, 30, 3],
  dataLayout: undefined,
  modelLayout: undefined,
  mean: undefined,
  std: undefined,
}

/** The pictures in the middle of the boxes that the competition's properties state, 0 … 255. */
function pictures(): Float32Array[] {
  const names = readdirSync(`${folder}/vnnlib`).filter(name => name.includes('eps_1.0'))
  return names.map(name => {
    const text = gunzipSync(readFileSync(`${folder}/vnnlib/${name}`)).toString()
    const sums = new Float32Array(2700)
    for (const [, at, bound] of text.matchAll(/\((?:<=|>=) X_(\d+) ([\d.]+)/g)) sums[Number(at)] += Number(bound) / 2
    return sums
  })
}

describe.skipIf(folder === undefined)('the binarised traffic-sign network', () => {
  it('has surrogates that are named, and is refused without them', async () => {
    const graph = await specialise(prepareModel(await readModelFile(path), space), await loadEngine(), 2)
    expect(surrogatesIn(graph).map(({ node }) => node.op)).toEqual(['Sign', 'Sign', 'Sign', 'Sign'])
    expect(withoutGradient(graph).size).toBe(0)
    expect([...withoutGradient(graph, 'off')].map(([op, nodes]) => [op, nodes.length])).toEqual([['Sign', 4]])
  })

  it('is broken more often with surrogates than without', { timeout: 120_000 }, async () => {
    const engine = await loadEngine()
    await using verifier = await openVerifier(engine, await readModelFile(path), space, { threads: 1 })
    const samples: { input: Float32Array; label: number }[] = []
    for (const input of pictures()) samples.push({ input, label: labelOf(await verifier.scores(input)) })
    // The cross-entropy of this model's logits is zero in float32 at every clean picture.
    const trials = [1, 3].flatMap(epsilon =>
      ['apgd-dlr', 'apgd-ce'].map(attack => ({ path, space, samples, epsilon, box: [0, 255], attack }) as const),
    )
    for (const trial of trials) {
      const without = await attacked({ ...trial, surrogates: 'zero' })
      const found = await attacked(trial)
      console.info(
        `${trial.attack}, epsilon ${trial.epsilon}: ${found.broken} of ${found.correct} broken, ${without.broken} without`,
      )
      expect(found.correct).toBe(3)
      expect(found.broken).toBeGreaterThan(without.broken)
      expect(without.zeroGradients).toBeGreaterThan(0)
      // The competition's solvers found a counterexample to every one of these properties.
      expect(found.broken).toBe(3)
    }
  })
})
