/** Progress on stderr: one redrawn line on a terminal, plain lines every 10 % or 30 seconds elsewhere. */
import type { Progress } from '../jobs/evaluate.js'
import { printable } from '../printable.js'
import { duration, grouped, percent, short } from '../report/terminal.js'
import { canRedraw, type Environment, hasUnicode } from './environment.js'

export interface Reporter {
  progress(progress: Pick<Progress, 'done' | 'total'> & Partial<Progress>): void
  /** A line of its own, above the one that is redrawn. */
  line(text: string): void
  /** Removes the redrawn line. */
  end(): void
}

const redrawMilliseconds = 100
const plainShare = 0.1
const plainMilliseconds = 30_000

export function startReporter(environment: Environment, options: { readonly quiet: boolean }): Reporter {
  const { stderr } = environment
  const describe = describer()
  const line = (text: string) => stderr.write(`${printable(text, 2000)}\n`)
  if (options.quiet) return { progress: () => {}, line: () => {}, end: () => {} }
  return canRedraw(environment) ? redrawn() : plain()

  function redrawn(): Reporter {
    let drawn = 0
    let visible = false
    const clear = () => {
      if (visible) stderr.write('\r\u001b[2K')
      visible = false
    }
    return {
      progress(progress) {
        if (Date.now() - drawn < redrawMilliseconds && progress.done < progress.total) return
        drawn = Date.now()
        const columns = Math.max(20, stderr.columns ?? 80)
        const bar = columns >= 60 ? `${barOf(progress.done / progress.total, hasUnicode(environment))} ` : ''
        stderr.write(`\r\u001b[2K${`${bar}${describe(progress).join('  ')}`.slice(0, columns - 1)}`)
        visible = true
      },
      line(text) {
        clear()
        line(text)
      },
      end: clear,
    }
  }

  function plain(): Reporter {
    let shown = 0
    let at = Date.now()
    return {
      progress(progress) {
        const share = progress.done / progress.total
        if (share < 1 && share - shown < plainShare && Date.now() - at < plainMilliseconds) return
        shown = share
        at = Date.now()
        line(describe(progress).join('  '))
      },
      line,
      end: () => {},
    }
  }
}

type Shown = Parameters<Reporter['progress']>[0]

/** Describes progress in parts, the most important first: a narrow terminal cuts the end off. Speed counts from the first call. */
function describer(): (progress: Shown) => string[] {
  let first: { readonly time: number; readonly done: number; readonly queries: number } | undefined
  return ({ done, total, robust, queriesNow = 0 }) => {
    first ??= { time: Date.now(), done, queries: queriesNow }
    const seconds = (Date.now() - first.time) / 1000
    const parts = [`${grouped(done)}/${grouped(total)}`]
    if (robust !== undefined && done > 0) parts.push(`robust ${percent(robust / done, 1)}`)
    const finished = done - first.done
    if (finished >= 5 && done < total && seconds > 1) {
      parts.push(`${duration((seconds / finished) * (total - done))} left`)
    }
    if (queriesNow > first.queries && seconds > 1)
      parts.push(`${short((queriesNow - first.queries) / seconds)} queries/s`)
    return parts
  }
}

function barOf(share: number, unicode: boolean): string {
  const width = 20
  const full = Math.round(share * width)
  return (unicode ? '█' : '#').repeat(full) + (unicode ? '░' : '.').repeat(width - full)
}
