/** The page: reads the data that the renderer put beside it, and draws the report. */
import { render } from 'preact'
import { App } from './app.js'
import { readReport } from './data/report.js'
import './style.css'

const root = document.getElementById('report')
if (root !== null) {
  root.replaceChildren()
  render(<App report={readReport()} />, root)
}
