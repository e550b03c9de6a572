/** The exports that are kept, each through all that a user's model goes through. `npm run check:exports` shows the numbers. */
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { checkExport } from '../support/exported.js'
import { complaints, oracleOf } from './expected.js'

const folder = fileURLToPath(new URL('models/', import.meta.url))
const files = readdirSync(folder).filter(name => name.endsWith('.onnx'))

/** Of exports for one sample: whether samples can be stacked to a batch. A pool that picks its elements by position cannot. */
const variable: Readonly<Record<string, boolean>> = {
  'convnext-dynamo.onnx': false,
  'efficientnet-dynamo.onnx': true,
  'folded-dynamo.onnx': true,
  'lstm-dynamo.onnx': true,
  'points-dynamo.onnx': false,
  'sound-dynamo.onnx': true,
  'swin-dynamo.onnx': false,
  'text-transformer-dynamo.onnx': true,
  'unet-dynamo.onnx': true,
  'vgg-dynamo.onnx': true,
  'vit-dynamo.onnx': true,
  'volume-dynamo.onnx': true,
}

test.each(files)('%s', async file => {
  const path = `${folder}${file}`
  const checked = await checkExport(path, oracleOf(path))
  expect(complaints(checked)).toEqual([])
  const notes = checked.facts.notes.filter(note => /made variable|The batch stays/.test(note))
  expect(notes.map(note => note.includes('made variable'))).toEqual(file in variable ? [variable[file]] : [])
})

test('gradients of the frameworks are there to be compared with', () => {
  const named = files.filter(file => /-(script|dynamo|tf2onnx)\.onnx$/.test(file))
  const found = readdirSync(folder).filter(name => name.endsWith('.f32'))
  expect(named.length).toBeGreaterThan(15)
  expect(new Set(named.map(file => oracleOf(file)))).toEqual(new Set(found))
})
