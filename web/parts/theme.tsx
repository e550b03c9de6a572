/** Light, dark, or as the system says. */
import { useState } from 'preact/hooks'

const themes = ['auto', 'light', 'dark'] as const

export function ThemeSwitch() {
  const [theme, setTheme] = useState<(typeof themes)[number]>('auto')
  const next = themes[(themes.indexOf(theme) + 1) % themes.length]!
  const change = () => {
    document.documentElement.dataset.theme = next
    setTheme(next)
  }
  return (
    <button type="button" class="quiet" onClick={change}>
      Theme: {theme}
    </button>
  )
}
