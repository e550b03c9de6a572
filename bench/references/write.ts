/** `npm run docs`: writes the references. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { references } from './documents.js'

for (const [path, text] of Object.entries(references)) {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text())
}
