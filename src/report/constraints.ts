/** Constraints of features in words. */
import type { Result } from './schema.js'

const parts = {
  immutable: ['that may not change', 'that may not change'],
  integer: ['that stays whole', 'that stay whole'],
  monotone: ['that changes one way only', 'that change one way only'],
  bounded: ['with limits of its own', 'with limits of their own'],
} as const

/** `4 features that may not change, 1 one-hot group`; undefined without constraints. */
export function constraintsText({ constraints }: Result['threat']): string | undefined {
  if (constraints === undefined) return undefined
  const { oneHot, relations } = constraints
  const counted = (count: number, one: string, several: string) =>
    count === 0 ? [] : [`${count} ${count === 1 ? one : several}`]
  const texts = [
    ...Object.entries(parts).flatMap(([name, [one, several]]) =>
      counted(constraints[name as keyof typeof parts], `feature ${one}`, `features ${several}`),
    ),
    ...counted(oneHot, 'one-hot group', 'one-hot groups'),
    ...counted(relations, 'linear relation', 'linear relations'),
  ]
  return texts.join(', ')
}
