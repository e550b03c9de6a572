/** The page: the answer, then the sections of the table that the runs hold data for. */
import { Answers } from './answer.js'
import type { Report } from './data/report.js'
import { ThemeSwitch } from './parts/theme.js'
import { sections } from './sections/index.js'

export function App({ report }: { readonly report: Report }) {
  const shown = sections.filter(section => section.shows(report))
  return (
    <>
      <a class="skip" href="#main">
        To the report
      </a>
      <header class="top">
        <p class="brand">Robustness report</p>
        <ThemeSwitch />
      </header>
      <main id="main">
        <Answers report={report} />
        <nav aria-label="Sections">
          <ul>
            {shown.map(({ id, title }) => (
              <li key={id}>
                <a href={`#${id}`}>{title}</a>
              </li>
            ))}
          </ul>
        </nav>
        {shown.map(({ id, title, component: Content }) => (
          <section key={id} id={id} aria-labelledby={`${id}-title`}>
            <h2 id={`${id}-title`}>{title}</h2>
            <Content report={report} />
          </section>
        ))}
      </main>
      <footer>
        <p>
          Written by robustly {report.version}. This file holds everything that it shows and asks nothing of any
          network.
        </p>
      </footer>
    </>
  )
}
