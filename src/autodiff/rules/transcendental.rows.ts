/** Rows of trigonometric and hyperbolic functions, and what is promised at the ends of their domains. */
import type { Row } from '../../../test/support/gradcheck.js'

type Transcendental = Extract<
  Row['op'],
  'Sin' | 'Cos' | 'Tan' | 'Asin' | 'Acos' | 'Atan' | 'Sinh' | 'Cosh' | 'Asinh' | 'Acosh' | 'Atanh'
>

const domains: Readonly<Record<Transcendental, readonly [number, number]>> = {
  Sin: [-4, 4],
  Cos: [-4, 4],
  Tan: [-1.2, 1.2],
  Asin: [-0.9, 0.9],
  Acos: [-0.9, 0.9],
  Atan: [-4, 4],
  Sinh: [-3, 3],
  Cosh: [-3, 3],
  Asinh: [-4, 4],
  Acosh: [1.2, 4],
  Atanh: [-0.9, 0.9],
}

export const rows: readonly Row[] = [
  ...Object.entries(domains).map(
    ([op, domain]) => ({ op, shows: `on [${domain}]`, inputs: [{ shape: [3, 4], domain }] }) as Row,
  ),
  ...(['Asin', 'Acos'] as const).map(
    (op): Row => ({
      op,
      shows: '0 where the slope is infinite',
      inputs: [{ shape: [2], values: [-1, 1] }],
      gradient: [[0, 0]],
    }),
  ),
  { op: 'Acosh', shows: '0 where the slope is infinite', inputs: [{ shape: [1], values: [1] }], gradient: [[0]] },
  { op: 'Atan', shows: 'far out', inputs: [{ shape: [2], values: [-1e30, 1e30] }], gradient: [[0, 0]] },
]
