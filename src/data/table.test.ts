import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { asset } from '../../test/support/assets.js'
import { openDataset } from './dataset.js'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'robustly-table-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

function file(name: string, content: string): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

async function read(path: string) {
  const data = await openDataset(path)
  const { inputs, labels } = await data.read(0, data.count)
  await data.close()
  const [width] = data.sampleShape
  const rows = Array.from(labels, (_, row) => Array.from(inputs.subarray(row * width!, (row + 1) * width!)))
  return { data, rows, labels: [...labels] }
}

describe('.csv', () => {
  it('has a header where the first row has no numbers, and labels in the last column', async () => {
    const { data, rows, labels } = await read(file('a.csv', 'age,debt,class\n30, 1.5,2\n40,-1e2,0\n'))
    expect(data.featureNames).toEqual(['age', 'debt'])
    expect(rows).toEqual([[30, 1.5], [40, -100]]) // biome-ignore format: one row a line
    expect(labels).toEqual([2, 0])
    expect(data).toMatchObject({ count: 2, kind: 'features', sampleShape: [2], classNames: undefined })
  })
  it('has columns by number where there is no header, byte order marks and ; or not', async () => {
    const { data, rows, labels } = await read(file('b.csv', '\uFEFF1;2;0\n3;4;1\n'))
    expect(data.featureNames).toEqual(['0', '1'])
    expect(rows).toEqual([[1, 2], [3, 4]]) // biome-ignore format: one row a line
    expect(labels).toEqual([0, 1])
  })
  it('takes texts and other numbers as classes in sorted order', async () => {
    expect(await read(file('c.csv', '1,dog\n2,cat\n3,dog\n'))).toMatchObject({
      labels: [1, 0, 1],
      data: { classNames: ['cat', 'dog'] },
    })
    expect(await read(file('d.csv', "1,'10'\n2,'-1'\n3,'2'\n"))).toMatchObject({
      labels: [2, 0, 1],
      data: { classNames: ['-1', '2', '10'] },
    })
  })
  it('takes what is said behind the path', async () => {
    const path = file('e.csv', 'id,income,job,age\n1,high,b,30\n2,low,a,40\n3,low,b,50\n')
    const oneHot = await read(`${path}:label=income,drop=id,encode=one-hot`)
    expect(oneHot.data.featureNames).toEqual(['job=a', 'job=b', 'age'])
    expect(oneHot.rows).toEqual([[0, 1, 30], [1, 0, 40], [0, 1, 50]]) // biome-ignore format: one row a line
    expect(oneHot.labels).toEqual([0, 1, 1])
    const codes = await read(`${path}:label=income,drop=id,encode=codes`)
    expect(codes.rows).toEqual([[1, 30], [0, 40], [1, 50]]) // biome-ignore format: one row a line
    expect(await codes.data.hash()).not.toBe(await oneHot.data.hash())
  })
  it.each([
    ['age,job,class\n1,a,0\n2,b,1\n', '', /columns that are not numbers: job \(row 0: "a"\)/],
    ['age,debt,class\n1,2,0\n2,,1\n', '', /debt \(row 1: empty\)/],
    ['1,2,0\n3,1\n', '', /row 2 of .* has 2 cells, expected 3/],
    ['a,b\n1,2,3\n', '', /row 2 of .* has 3 cells, expected 2/],
    ['a,a,b\n1,2,3\n', '', /two columns named "a"/],
    ['', '', /no two rows/],
    ['a,"b\n1,2', '', /Quote/],
    ['1,1e999,1\n2,3,0\n', '', /row 0 .* column 1, is Infinity/],
    ['a,b\n1,2\n', ':label=c', /no column c; it has a, b/],
    ['a,b\n1,2\n', ':label=b,drop=a', /no column of features/],
    ['a,b\n1,2\n', ':labels=b', /behind the path of a table stands labels=b/],
  ])('refuses %j%s', async (content, said, message) => {
    await expect(openDataset(file('bad.csv', content) + said)).rejects.toThrow(message)
  })
  it('refuses more cells than the limit', async () => {
    const path = file('big.csv', '1,2\n3,4\n5,6\n')
    await expect(openDataset(path, { limits: { tableCells: 5 } })).rejects.toThrow(/more than 5 cells/)
  })
})

const table = (name: string) => asset(`data/tabular/${name}`)

describe.skipIf(table('adult-test.csv') === undefined)('tables of other people', () => {
  it.each([
    { name: 'breast_cancer.csv', said: '', count: 569, features: 30, classes: ['malignant', 'benign'] },
    {
      name: 'iris_winml.csv',
      said: ':drop=Id',
      count: 150,
      features: 4,
      classes: ['Iris-setosa', 'Iris-versicolor', 'Iris-virginica'],
    },
    { name: 'mammography.csv', said: '', count: 11_183, features: 6, classes: ['-1', '1'] },
    { name: 'german.csv', said: ':encode=one-hot', count: 1000, features: 61, classes: undefined },
    { name: 'adult-test.csv', said: ':encode=one-hot', count: 16_281, features: 107, classes: ['<=50K.', '>50K.'] },
  ])('$name', async ({ name, said, count, features, classes }) => {
    const data = await openDataset(table(name)! + said)
    expect(data.count).toBe(count)
    expect(data.sampleShape).toEqual([features])
    expect(data.classNames).toEqual(classes)
  })
})
