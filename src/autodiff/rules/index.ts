/** The table of gradient rules: every operator of the union has an entry, which the compiler checks. */
import { mergeTables } from '../../onnx/tables.js'
import type { GradientRules } from '../rule.js'
import { activation } from './activation.js'
import { convolution } from './convolution.js'
import { draws } from './draws.js'
import { elementwise } from './elementwise.js'
import { indexing } from './indexing.js'
import { layout } from './layout.js'
import { linear } from './linear.js'
import { logic } from './logic.js'
import { normalization } from './normalization.js'
import { pooling } from './pooling.js'
import { recurrent } from './recurrent.js'
import { reduction } from './reduction.js'
import { sampling } from './sampling.js'
import { selection } from './selection.js'
import { shape } from './shape.js'
import { spectral } from './spectral.js'
import { standardization } from './standardization.js'
import { transcendental } from './transcendental.js'

export const gradientRules: GradientRules = mergeTables(
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
)
