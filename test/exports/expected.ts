/** What every export must show, and where the numbers of its framework lie. */
import type { Checked } from '../support/exported.js'

/** NAME.f32 belongs to NAME-script.onnx, NAME-dynamo.onnx and so on. */
export function oracleOf(path: string): string | undefined {
  const match = /^(.*)-(script|dynamo|dynamo-batch|tf2onnx)\.onnx$/.exec(path)
  return match === null ? undefined : `${match[1]}.f32`
}

/** Empty when all is well. Half precision and integers follow gradients of single precision loosely or not at all. */
export function complaints({ facts, gradients }: Checked): string[] {
  const found = facts.warnings.map(text => text)
  if (gradients === undefined) {
    if (facts.blackBox === undefined) found.push(`no gradient through ${[...facts.missing.keys()].join(', ')}`)
    return found
  }
  const { differences, framework, fooled } = gradients
  // Steps in float32 meet kinks; of small samples float64 is asked, of large ones the framework alone is exact.
  const tolerance = framework !== undefined && differences !== undefined && differences < 0.05 ? 0.05 : 1e-3
  if (differences !== undefined && !(differences < tolerance)) found.push('the gradient is not that of differences')
  if (framework !== undefined && !(framework.logits < 1e-3)) found.push("the logits are not the framework's")
  // In deep networks a value at a kink falls either way in float32: PyTorch is off by 1 % from itself in float64 there.
  const close = facts.parameters > 1e6 ? 5e-2 : 2e-3
  if (framework !== undefined && !(framework.gradients < close)) found.push("the gradient is not the framework's")
  if (fooled.epsilon === undefined) found.push('PGD is no better than noise')
  return found
}
