/**
 * Stops an evaluation of a model that is no better than guessing on clean samples: nearly always the data reach it in another
 * form than the one it was trained on, and a robust accuracy of such a model means nothing.
 */
import { RobustlyError } from '../errors.js'
import { rate } from '../evaluate/metrics.js'
import type { SampleRecord } from '../evaluate/record.js'

/** Samples that are looked at, the first ones of the run. With fewer than the least, nothing is said. */
const looked = 128
const least = 30

/** Takes every record; gives the error once the first samples of the range are all there and the model is at chance. */
export function cleanGate(
  [start, end]: readonly [number, number],
  classes: number,
): (record: SampleRecord) => RobustlyError | undefined {
  const count = Math.min(looked, end - start)
  const seen = new Uint8Array(count)
  let recorded = 0
  let correct = 0
  let answered = 0
  return record => {
    const at = record.index - start
    if (count < least || seen[at] !== 0) return undefined
    seen[at] = 1
    // Where there was no answer it says nothing of how good answers are.
    if (record.prediction >= 0) answered++
    if (record.prediction === record.label) correct++
    if (++recorded < count) return undefined
    if (answered < least || rate(correct, answered).interval[0] > 1 / classes) return undefined
    return atChance(correct, answered, classes)
  }
}

function atChance(correct: number, count: number, classes: number): RobustlyError {
  return new RobustlyError(
    'model-failed',
    `the model is right on ${correct} of the first ${count} clean samples; guessing among ${classes} classes gets ${Math.round(count / classes)}`,
    {
      hint: 'Check how the data reach the model: normalisation (--mean, --std), layout (--layout NHWC), and the order of the classes. To go on anyway: --force.',
    },
  )
}
