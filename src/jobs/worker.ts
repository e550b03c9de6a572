/** The entry of a worker process: models are loaded and run here and nowhere else. */
import { RobustlyError } from '../errors.js'
import type { DecisionCost } from '../evaluate/costs.js'
import { openEvaluator } from '../evaluate/evaluator.js'
import { prepareAttack } from '../evaluate/preparation.js'
import type { SampleRecord } from '../evaluate/record.js'
import type { Evaluator } from '../evaluate/worker-api.js'
import { serve } from '../runtime/channel.js'
import { describeRuntime } from '../runtime/doctor.js'
import { loadEngine } from '../runtime/engine.js'
import type { Usage } from '../runtime/http/usage.js'
import { exportRun } from './export-run.js'
import { measure } from './measure.js'
import { findEndpointFacts, findFacts } from './model-facts.js'
import { replayRun } from './replay-run.js'
import { traceRun } from './trace-run.js'
import type { WorkerProtocol } from './worker-protocol.js'

/** Times are reported at most this often; records go at once. */
const reportMilliseconds = 200

let evaluator: Evaluator | undefined
let report: (progress: WorkerProtocol['run']['progress']) => void = () => {}
let reported = performance.now()
const seconds = new Map<string, number>()

serve<WorkerProtocol>({
  facts: findFacts,
  endpoint: findEndpointFacts,
  measure,
  prepare: (request, progress) => prepareAttack(request, () => progress(null)),
  async start({ spec, plan }) {
    const listeners = {
      record: (record: SampleRecord) => report({ record }),
      cost: (cost: DecisionCost) => report({ cost }),
      used: (usage: Usage) => report({ usage }),
      spent,
    }
    evaluator = await openEvaluator({ spec, plan, ...listeners })
    return null
  },
  add({ start, end }) {
    opened().add(start, end)
    return null
  },
  close() {
    opened().close()
    return null
  },
  async run(_, progress) {
    report = progress
    const running = opened()
    await running.run()
    reportSeconds()
    return { runtimeSeconds: running.runtimeSeconds }
  },
  replay: replayRun,
  trace: traceRun,
  export: exportRun,
  runtime: async ({ engine }) => describeRuntime(await loadEngine(engine === undefined ? {} : { require: engine })),
})

function opened(): Evaluator {
  if (evaluator === undefined) throw new RobustlyError('internal', 'the worker was not started with a model')
  return evaluator
}

function spent(more: ReadonlyMap<string, number>): void {
  for (const [attack, time] of more) seconds.set(attack, (seconds.get(attack) ?? 0) + time)
  if (performance.now() - reported >= reportMilliseconds) reportSeconds()
}

function reportSeconds(): void {
  reported = performance.now()
  report({ seconds: new Map(seconds) })
  seconds.clear()
}
