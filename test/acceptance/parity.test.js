var __addDisposableResource =
  (this && this.__addDisposableResource) ||
  ((env, value, async) => {
    if (value !== null && value !== void 0) {
      if (typeof value !== 'object' && typeof value !== 'function') throw new TypeError('Object expected.')
      var dispose, inner
      if (async) {
        if (!Symbol.asyncDispose) throw new TypeError('Symbol.asyncDispose is not defined.')
        dispose = value[Symbol.asyncDispose]
      }
      if (dispose === void 0) {
        if (!Symbol.dispose) throw new TypeError('Symbol.dispose is not defined.')
        dispose = value[Symbol.dispose]
        if (async) inner = dispose
      }
      if (typeof dispose !== 'function') throw new TypeError('Object not disposable.')
      if (inner)
        dispose = function () {
          try {
            inner.call(this)
          } catch (e) {
            return Promise.reject(e)
          }
        }
      env.stack.push({ value: value, dispose: dispose, async: async })
    } else if (async) {
      env.stack.push({ async: true })
    }
    return value
  })
var __disposeResources =
  (this && this.__disposeResources) ||
  (SuppressedError => env => {
    function fail(e) {
      env.error = env.hasError ? new SuppressedError(e, env.error, 'An error was suppressed during disposal.') : e
      env.hasError = true
    }
    var r,
      s = 0
    function next() {
      while ((r = env.stack.pop())) {
        try {
          if (!r.async && s === 1) return ((s = 0), env.stack.push(r), Promise.resolve().then(next))
          if (r.dispose) {
            var result = r.dispose.call(r.value)
            if (r.async)
              return (
                (s |= 2),
                Promise.resolve(result).then(next, e => {
                  fail(e)
                  return next()
                })
              )
          } else s |= 1
        } catch (e) {
          fail(e)
        }
      }
      if (s === 1) return env.hasError ? Promise.reject(env.error) : Promise.resolve()
      if (env.hasError) throw env.error
    }
    return next()
  })(
    typeof SuppressedError === 'function'
      ? SuppressedError
      : (error, suppressed, message) => {
          var e = new Error(message)
          return ((e.name = 'SuppressedError'), (e.error = error), (e.suppressed = suppressed), e)
        },
  )

/** APGD-CE on real models beside the reference implementation's numbers, and beside certificates. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { openEvaluator } from '../../src/evaluate/evaluator.js'
import { planAttacks } from '../../src/evaluate/suite.js'
import { parseEpsilon } from '../../src/threat/threat.js'
import { asset, fashion, hasAssets, mnist } from '../support/assets.js'

const cifar = asset('data/cifar10/test_batch_first1000.bin')
// Measured with AutoAttack's reference implementation (auto-attack a392200, seed 0).
const rows = [
  { model: 'mnist_fgsm_fastat_eps0.3', data: mnist, epsilon: '0.3', count: 1000, clean: 983, left: 847 },
  { model: 'mnist_eran_6x100_nat', data: mnist, epsilon: '0.026', count: 1000, clean: 960, left: 841 },
  {
    model: 'mnist_eran_conv_small_nat',
    data: mnist,
    epsilon: '0.12',
    count: 1000,
    clean: 980,
    left: 744,
    mean: [0.1307],
    std: [0.3081],
  },
  { model: 'mnist_wk_robust_eps0.1', data: mnist, epsilon: '0.1', count: 1000, clean: 982, left: 954 },
  { model: 'fashion_wk_robust_eps0.1', data: fashion, epsilon: '0.1', count: 1000, clean: 793, left: 689 },
  { model: 'cifar10_eran_conv_small_pgd', data: cifar, epsilon: '2/255', count: 1000, clean: 630, left: 496 },
  { model: 'mnist_smalladv_madry_tiny_eps0.3', data: mnist, epsilon: '0.3', count: 1000, clean: 972, left: 830 },
]
/** How many more samples than the reference may be left. */
const tolerance = 3
async function evaluate(row) {
  const env_1 = { stack: [], error: void 0, hasError: false }
  try {
    const records = []
    const evaluator = __addDisposableResource(
      env_1,
      await openEvaluator({
        spec: {
          model: { path: asset(`models/${row.model}.onnx`), sha256: '' },
          data: {
            path: row.data,
            sha256: '',
            range: [0, row.count],
            space: { ...(row.mean && { mean: row.mean }), ...(row.std && { std: row.std }) },
          },
          threat: { norm: 'Linf', epsilon: parseEpsilon(row.epsilon), epsilonText: row.epsilon, box: [0, 1] },
          suite: 'quick',
          attacks: planAttacks([{ name: 'apgd-ce', options: {} }], 'Linf'),
          mode: 'cascade',
          seed: 0,
        },
        plan: { batch: 32, threads: 1 },
        record: record => records.push(record),
        spent: () => {},
      }),
      true,
    )
    evaluator.add(0, row.count)
    evaluator.close()
    await evaluator.run()
    return records
  } catch (e_1) {
    env_1.error = e_1
    env_1.hasError = true
  } finally {
    const result_1 = __disposeResources(env_1)
    if (result_1) await result_1
  }
}
describe.skipIf(!hasAssets)('APGD-CE beside the reference', () => {
  const bitmaps = hasAssets ? JSON.parse(readFileSync(asset('models/reference_bitmaps.json'), 'utf8')) : {}
  for (const row of rows) {
    it.skipIf(row.data === undefined)(
      `${row.model} at ${row.epsilon}`,
      async () => {
        const records = await evaluate(row)
        const correct = records.filter(record => record.prediction === record.label)
        const left = records.filter(record => record.verdict === 'robust')
        console.info(
          `${row.model}: clean ${correct.length} (${row.clean}), left ${left.length} (reference ${row.left})`,
        )
        expect(records.map(record => record.index).sort((a, b) => a - b)).toEqual(
          Array.from({ length: row.count }, (_, i) => i),
        )
        expect(correct.length).toBe(row.clean)
        expect(left.length).toBeLessThanOrEqual(row.left + tolerance)
        const certified = bitmaps[row.model]?.crown
        for (const record of records) if (certified?.[record.index] === '1') expect(record.verdict).toBe('robust')
      },
      240_000,
    )
  }
})
//# sourceMappingURL=parity.test.js.map
