/** The data of the page, decoded: typed arrays instead of base64. */
import { elements, type ReportDocument } from '../../src/report/html/document.js'

export interface Report {
  readonly document: ReportDocument
}

export function readReport(): Report {
  return { document: JSON.parse(document.getElementById(elements.document)?.textContent ?? '') as ReportDocument }
}
