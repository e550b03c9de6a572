/** `npm run bench`: ratios measured in one run, as a table. Exit code 1 when one misses what is required of it. */
import { loadEngine } from '../src/runtime/engine.js'
import { architectureCost } from './architectures.js'
import { suiteCost } from './efficiency.js'
import { evaluationCost } from './evaluation.js'
import { gradientCost } from './gradient.js'
import { loadingCost } from './loading.js'
import { processCost } from './processes.js'

const engine = await loadEngine()
const results = [
  ...(await gradientCost(engine)),
  ...(await architectureCost(engine)),
  ...(await loadingCost()),
  ...(await evaluationCost(engine)),
  ...(await suiteCost()),
  ...(await processCost()),
]

console.log(`ONNX Runtime ${engine.version} (${engine.kind}), one thread, medians of interleaved runs`)
const width = Math.max(...results.map(({ name }) => name.length))
for (const { name, value, atMost, detail } of results) {
  const mark = value <= atMost ? 'ok    ' : 'MISSED'
  console.log(`${mark} ${name.padEnd(width)}  ${value.toFixed(2)} (at most ${atMost.toFixed(2)})  ${detail}`)
}
process.exitCode = results.every(({ value, atMost }) => value <= atMost) ? 0 : 1
