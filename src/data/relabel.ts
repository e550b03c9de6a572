/** Labels that count differently from the model's classes, made the same. */
import { RobustlyError } from '../errors.js'
import { printable } from '../printable.js'
import type { Dataset } from './dataset.js'
import type { Relabelling } from './said.js'

/** The data with other labels and the names of the classes moved along. Reading throws `data-invalid` for a label that has no class. */
export function relabelled(data: Dataset, relabelling: Relabelling): Dataset {
  const classOf = (label: number) => (typeof relabelling === 'number' ? label + relabelling : relabelling[label])
  return {
    ...data,
    classNames: data.classNames === undefined ? undefined : namesOf(data.classNames, classOf),
    async read(start, end) {
      const samples = await data.read(start, end)
      const labels = samples.labels.map((label, row) => {
        const moved = classOf(label)
        if (moved !== undefined && moved >= 0) return moved
        throw new RobustlyError(
          'data-invalid',
          `row ${start + row} (counting from 0) of ${printable(data.name)} has the label ${label}, for which relabel= gives no class`,
          { hint: 'a signed number is added to every label; 2:0:1 is the class of label 0, 1 and 2' },
        )
      })
      return { ...samples, labels }
    },
  }
}

function namesOf(names: readonly string[], classOf: (label: number) => number | undefined): string[] {
  const moved: string[] = []
  names.forEach((name, label) => {
    const to = classOf(label)
    if (to !== undefined && to >= 0) moved[to] = name
  })
  return Array.from(moved, (name, label) => name ?? String(label))
}
