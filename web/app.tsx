import type { Report } from './data/report.js'
export function App({ report }: { readonly report: Report }) {
  return (
    <main>
      <h1>{report.document.runs[0]!.name}</h1>
    </main>
  )
}
