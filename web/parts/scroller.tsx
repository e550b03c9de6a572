/** A part that scrolls inside itself when it does not fit; the keyboard reaches it only then. */
import type { ComponentChildren } from 'preact'
import { useLayoutEffect, useRef, useState } from 'preact/hooks'

interface ScrollerProps {
  readonly label: string
  /** Limits the height too. */
  readonly tall?: boolean
  readonly children: ComponentChildren
}

export function Scroller({ label, tall = false, children }: ScrollerProps) {
  const frame = useRef<HTMLElement>(null)
  const [scrolls, setScrolls] = useState(false)
  useLayoutEffect(() => {
    const { current } = frame
    if (current === null) return
    const look = () =>
      setScrolls(current.scrollWidth > current.clientWidth || current.scrollHeight > current.clientHeight)
    look()
    const observer = new ResizeObserver(look)
    observer.observe(current)
    return () => observer.disconnect()
  }, [])
  const reachable = scrolls ? { tabIndex: 0, 'aria-label': label } : {}
  return (
    <section class={tall ? 'scroll tall' : 'scroll'} ref={frame} {...reachable}>
      {children}
    </section>
  )
}
