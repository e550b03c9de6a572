/** A chart as a figure: title, drawing, text alternative, and its numbers as a table for those who want them. */
import * as Plot from '@observablehq/plot'
import type { RefObject } from 'preact'
import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import { DataTable } from './table.js'

interface FigureProps {
  readonly title: string
  /** What there is to see, in words: read out in place of the drawing and shown below it. */
  readonly summary: string
  readonly draw: (width: number) => Plot.PlotOptions
  readonly numbers?: { readonly columns: readonly string[]; readonly rows: readonly (readonly string[])[] } | undefined
  readonly legend?: readonly { readonly name: string; readonly color: string }[] | undefined
}

const widest = 760

export function Figure({ title, summary, draw, numbers, legend = [] }: FigureProps) {
  const [frame, width] = useWidth()
  const holder = useRef<HTMLDivElement>(null)
  useLayoutEffect(() => {
    if (width === 0) return
    const drawing = Plot.plot({
      marginTop: 26,
      marginLeft: 52,
      marginBottom: 42,
      height: Math.round(Math.max(220, Math.min(300, width * 0.5))),
      style: { background: 'none', fontFamily: 'inherit', fontSize: '12px', overflow: 'visible' },
      ...draw(width),
      width,
    })
    drawing.setAttribute('role', 'img')
    drawing.setAttribute('aria-label', `${title}. ${summary}`)
    const description = document.createElementNS('http://www.w3.org/2000/svg', 'desc')
    description.textContent = summary
    drawing.prepend(description)
    // The drawing speaks as a whole: labels on groups without a role are against the rules of ARIA.
    for (const part of drawing.querySelectorAll('g[aria-label]')) part.removeAttribute('aria-label')
    holder.current?.replaceChildren(drawing)
  }, [width, draw, title, summary])
  return (
    <figure class="chart" ref={frame}>
      <figcaption>{title}</figcaption>
      {legend.length > 1 && (
        <ul class="legend">
          {legend.map(({ name, color }) => (
            <li key={name}>
              <span class="swatch" style={{ background: color }} />
              {name}
            </li>
          ))}
        </ul>
      )}
      <div ref={holder} />
      <p class="note">{summary}</p>
      {numbers !== undefined && (
        <details class="numbers">
          <summary>Numbers of this chart</summary>
          <DataTable
            caption={title}
            columns={numbers.columns.map((title, at) => ({
              title,
              cell: (row: readonly string[]) => row[at]!,
              numeric: at > 0,
            }))}
            rows={numbers.rows}
          />
        </details>
      )}
    </figure>
  )
}

/** The width that an element has, at most `widest`; 0 before it is known. */
function useWidth(): [RefObject<HTMLElement | null>, number] {
  const element = useRef<HTMLElement>(null)
  const [width, setWidth] = useState(0)
  useLayoutEffect(() => {
    const { current } = element
    if (current === null) return
    const measure = () => setWidth(Math.min(widest, Math.floor(current.clientWidth)))
    measure()
    const observer = new ResizeObserver(measure)
    observer.observe(current)
    return () => observer.disconnect()
  }, [])
  return [element, width]
}

/** A share as whole per cent, for ticks. */
export const perCent = (share: number) => `${Math.round(share * 100)} %`
