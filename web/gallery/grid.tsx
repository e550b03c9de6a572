/** A grid that scrolls through any number of cards and draws only those in view. */
import type { ComponentChildren } from 'preact'
import { useLayoutEffect, useRef, useState } from 'preact/hooks'

interface GridProps<Item> {
  readonly items: readonly Item[]
  readonly label: string
  /** In pixels, the gap below and beside a card included. */
  readonly cardHeight: number
  readonly cardWidth: number
  readonly children: (item: Item) => ComponentChildren
}

/** Rows that are drawn above and below what is in view, so that the keyboard finds the next card there. */
const spareRows = 2

export function Grid<Item>({ items, label, cardHeight, cardWidth, children }: GridProps<Item>) {
  const frame = useRef<HTMLElement>(null)
  const [view, setView] = useState({ top: 0, height: 0, width: 0 })
  useLayoutEffect(() => {
    const { current } = frame
    if (current === null) return
    const look = () => setView({ top: current.scrollTop, height: current.clientHeight, width: current.clientWidth })
    look()
    current.addEventListener('scroll', look, { passive: true })
    const observer = new ResizeObserver(look)
    observer.observe(current)
    return () => {
      current.removeEventListener('scroll', look)
      observer.disconnect()
    }
  }, [])
  const columns = Math.max(1, Math.floor(view.width / cardWidth))
  const rows = Math.ceil(items.length / columns)
  const first = Math.min(Math.max(0, Math.floor(view.top / cardHeight) - spareRows), Math.max(0, rows - 1))
  const last = Math.min(rows, Math.ceil((view.top + view.height) / cardHeight) + spareRows)
  // Cards that leave the view come back as the next ones: their canvases are painted anew instead of made anew.
  const slots = columns * (Math.ceil(view.height / cardHeight) + 1 + 2 * spareRows)
  // As properties of their own, so that the style sheet for paper may do without them.
  const size = {
    '--height': `${rows * cardHeight}px`,
    '--card-height': `${cardHeight}px`,
    '--card-width': `${view.width / columns}px`,
  }
  const shown = view.width === 0 ? [] : items.slice(first * columns, last * columns)
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section class="grid" ref={frame} tabIndex={0} aria-label={label}>
      <ul style={size}>
        {shown.map((item, at) => {
          const place = first * columns + at
          const style = {
            '--x': `${(place % columns) * (view.width / columns)}px`,
            '--y': `${Math.floor(place / columns) * cardHeight}px`,
          }
          return (
            <li key={place % slots} style={style} aria-setsize={items.length} aria-posinset={place + 1}>
              {children(item)}
            </li>
          )
        })}
      </ul>
    </section>
  )
}
