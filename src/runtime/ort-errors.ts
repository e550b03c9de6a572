/** Errors of ONNX Runtime as errors of this program: the first line of its text, made printable, and a next step. */
import { type ErrorCode, RobustlyError } from '../errors.js'
import { printable } from '../printable.js'

interface Pattern {
  readonly test: RegExp
  readonly code: ErrorCode
  readonly hint: string
}

const outOfMemory: Pattern = {
  test: /bad_alloc|bad allocation|failed to allocate|out of memory|could not allocate memory|shape is too large|array buffer allocation failed/i,
  code: 'memory-limit',
  hint: 'Allow more memory, or use a smaller batch or fewer processes.',
}

/** The first that matches decides. */
const creation: readonly Pattern[] = [
  outOfMemory,
  {
    test: /file doesn't exist|ENOENT|EISDIR|EACCES|is a directory|permission denied/i,
    code: 'model-unreadable',
    hint: 'Give the path of a readable .onnx file.',
  },
  {
    test: /ENOSPC|no space left/i,
    code: 'output-unwritable',
    hint: 'Models pass through the folder for temporary files: make room there, or name another one in TMPDIR.',
  },
  {
    test: /unsupported data type: 16/i,
    code: 'model-unsupported',
    hint: 'bfloat16 inputs and outputs cannot be used from JavaScript: convert the model to float32 or float16.',
  },
  {
    test: /only \*guarantees\* support for models stamped|under development|Unsupported model IR version/i,
    code: 'model-unsupported',
    hint: 'Export the model again with opset 26 or lower.',
  },
  {
    test: /Could not find an implementation/i,
    code: 'model-unsupported',
    hint: 'ONNX Runtime has no kernel of this operator for the types of its values, such as float64: export the model in float32.',
  },
  {
    test: /is not a registered function|No Op registered/i,
    code: 'model-unsupported',
    hint: 'The model uses an operator that ONNX Runtime does not have: export it with standard ai.onnx operators.',
  },
]

/** The error of a session that could not be created. */
export function creationError(label: string, cause: unknown): RobustlyError {
  const line = firstLine(cause)
  const known = creation.find(pattern => pattern.test.test(line))
  return new RobustlyError(known?.code ?? 'model-invalid', `${label}: ONNX Runtime cannot load the model: ${line}`, {
    cause,
    hint: known?.hint ?? 'Check the file with onnx.checker and export it again.',
  })
}

/** The error of a run that failed. */
export function runError(label: string, cause: unknown): RobustlyError {
  const line = firstLine(cause)
  if (outOfMemory.test.test(line)) {
    return new RobustlyError('memory-limit', `${label}: the model ran out of memory: ${line}`, {
      cause,
      hint: outOfMemory.hint,
    })
  }
  return new RobustlyError('model-failed', `${label}: ONNX Runtime cannot run the model: ${line}`, { cause })
}

/** What ONNX Runtime puts around its message: how WebAssembly begins, the place in its C++ source, the status code. */
const decoration =
  /^.*ERROR_CODE: \d+, ERROR_MESSAGE: |\/\S+\.(?:cc|h):\d+ [^(]*\([^)]*\)(?: const)? |\[ONNXRuntimeError\] : \d+ : \w+ : /g

function firstLine(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause)
  return printable(text.trim().split(/\r?\n/, 1)[0]!.replace(decoration, ''))
}
