/** The driver of robustly itself: the same job as the peers', through the function that the command line calls, from dist/. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeNpy } from '../../dist/data/npz-write.js'
import { decodeFloats, evaluate, openDataset } from '../../dist/index.js'

const job = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const run = join(job.folder, 'run')
rmSync(run, { recursive: true, force: true })

let chosen
let began = Number.POSITIVE_INFINITY
let ended = 0
let inside = 0
let processTime = 0
let cpuSeconds = null
const watch = watchCpu()
const { result } = await evaluate({
  model: job.model,
  data: job.inputs,
  norm: job.norm,
  // A minimum-distance attack runs to its end in individual mode; the radius only has to hold what it finds.
  epsilon: job.kind === 'minimum' ? '1000' : String(job.epsilon),
  individual: job.kind === 'minimum',
  attacks: job.attacks,
  seed: job.seed,
  ...(job.mean === null ? {} : { mean: job.mean, std: job.std }),
  run,
  processes: job.cores,
  threads: 1,
  onEvent(event) {
    if (event.kind === 'chosen') chosen = event.chosen
    if (event.kind !== 'finished') return
    ended = performance.now() / 1000
    began = Math.min(began, ended - event.wallSeconds)
    inside += event.runtimeSeconds
    processTime += event.wallSeconds
    cpuSeconds = watch.last(ended - began)
  },
})
watch.stop()

/** Follows the CPU seconds of this process and its workers. `last` gives those of the last so many wall seconds; null without /proc. */
function watchCpu() {
  if (!existsSync('/proc/self/stat')) return { last: () => null, stop() {} }
  const seen = []
  const look = () => seen.push({ at: performance.now() / 1000, cpu: cpuNow() })
  const timer = setInterval(look, 20)
  return {
    stop: () => clearInterval(timer),
    last(wallSeconds) {
      look()
      const end = seen.at(-1)
      const start = seen.findLast(({ at }) => at <= end.at - wallSeconds) ?? seen[0]
      return end.cpu - start.cpu
    },
  }
}

function cpuNow() {
  const { user, system } = process.cpuUsage()
  // Workers that have ended count with their parent.
  let ticks = ticksOf('self', 13)
  for (const task of readdirSync('/proc/self/task')) {
    for (const pid of readFileSync(`/proc/self/task/${task}/children`, 'utf8').split(' ').filter(Boolean)) {
      ticks += ticksOf(pid, 11)
    }
  }
  return (user + system) / 1e6 + ticks / 100
}

/** User and system time, which stand one after the other in the line of the process. */
function ticksOf(pid, first) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    return Number(fields[first]) + Number(fields[first + 1])
  } catch {
    return 0 // It ended just now.
  }
}

const dataset = await openDataset(job.inputs)
const { inputs: found } = await dataset.read(0, dataset.count)
await dataset.close()
const features = found.length / dataset.count
for (const line of readFileSync(join(run, 'records.jsonl'), 'utf8').split('\n')) {
  if (line === '') continue
  const { index, adversarial } = JSON.parse(line)
  if (adversarial !== null) found.set(decodeFloats(adversarial), index * features)
}
const shape = [dataset.count, ...dataset.sampleShape]
await writeNpy(join(job.folder, 'adversarial.npy'), { dtype: 'float32', shape, data: found })
writeFileSync(
  join(job.folder, 'answer.json'),
  JSON.stringify({
    seconds: ended - began,
    cpuSeconds,
    clean: result.accuracy.standard.correct,
    claimed: result.accuracy.robust.correct,
    batch: chosen.plan.batch,
    runtimeShare: inside / processTime,
    attacks: result.attacks.map(({ name, seconds, robustAfter, queries }) => ({
      name,
      seconds,
      left: robustAfter,
      queries,
    })),
  }),
)
