/** Every operator of the union by its rows: gradients against central differences, ONNX Runtime against the reference. */
import { describe, expect, it } from 'vitest'
import { checkGradients, checkRuntime, isDifferentiated, type Row } from '../../../test/support/gradcheck.js'
import { type OperatorName, operators } from '../../onnx/operators.js'
import { rows as activation } from './activation.rows.js'
import { rows as convolution } from './convolution.rows.js'
import { rows as draws } from './draws.rows.js'
import { rows as elementwise } from './elementwise.rows.js'
import { gradientRules } from './index.js'
import { rows as indexing } from './indexing.rows.js'
import { rows as layout } from './layout.rows.js'
import { rows as linear } from './linear.rows.js'
import { rows as logic } from './logic.rows.js'
import { rows as normalization } from './normalization.rows.js'
import { rows as pooling } from './pooling.rows.js'
import { rows as recurrent } from './recurrent.rows.js'
import { rows as reduction } from './reduction.rows.js'
import { rows as sampling } from './sampling.rows.js'
import { rows as selection } from './selection.rows.js'
import { rows as shape } from './shape.rows.js'
import { rows as spectral } from './spectral.rows.js'
import { rows as standardization } from './standardization.rows.js'
import { rows as transcendental } from './transcendental.rows.js'

const families: Readonly<Record<string, readonly Row[]>> = {
  activation,
  convolution,
  draws,
  elementwise,
  indexing,
  layout,
  linear,
  logic,
  normalization,
  pooling,
  recurrent,
  reduction,
  sampling,
  selection,
  shape,
  spectral,
  standardization,
  transcendental,
}
const all = Object.values(families).flat()
/** Constant has neither inputs nor attributes of the table; the tests of the reference evaluation cover it. */
const tested = (Object.keys(operators) as OperatorName[]).filter(op => op !== 'Constant')

describe('the table of rows', () => {
  it.each(tested)('%s has a row, differentiated when it has a rule', op => {
    const rows = all.filter(row => row.op === op)
    expect(rows.length).toBeGreaterThan(0)
    if (typeof gradientRules[op] === 'function') expect(rows.some(isDifferentiated)).toBe(true)
  })
})

describe.each(Object.entries(families))('%s', (_, rows) => {
  for (const row of rows) {
    const title = `${row.op}: ${row.shows}`
    if (isDifferentiated(row)) it(`${title}, gradient`, () => checkGradients(row))
    it(`${title}, ONNX Runtime`, () => checkRuntime(row))
  }
})
