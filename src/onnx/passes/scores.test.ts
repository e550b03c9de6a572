/** Which output tells the classes. */
import { describe, expect, it } from 'vitest'
import { RobustlyError } from '../../errors.js'
import type { Attribute, Graph, Node, ValueInfo } from '../graph.js'
import { initializer } from '../graph.js'
import { scoresOf } from './scores.js'

const info = (name: string, dtype: ValueInfo['dtype'], shape?: ValueInfo['shape']): ValueInfo => ({
  name,
  dtype,
  shape,
})
const node = (
  op: string,
  inputs: string[],
  outputs: string[],
  domain = '',
  attributes: Record<string, Attribute> = {},
): Node => ({
  name: op,
  op,
  domain,
  inputs,
  outputs,
  attributes: new Map(Object.entries(attributes)),
})
const ml = 'ai.onnx.ml'
const classes: Record<string, Attribute> = { classlabels_strings: { type: 'strings', value: ['cat', 'dog'] } }

function graphOf(nodes: Node[], outputs: ValueInfo[], more: Partial<Graph> = {}): Graph {
  return {
    name: 'g',
    opsets: new Map(),
    inputs: [info('x', 'float32', [1, 2])],
    outputs,
    nodes,
    initializers: new Map(),
    valueInfo: new Map(),
    ...more,
  }
}

describe('scoresOf', () => {
  it('a sole output of floats is left as it is', () => {
    const graph = graphOf([node('Relu', ['x'], ['y'])], [info('y', 'float32', ['n'])])
    expect(scoresOf(graph)).toEqual({ graph, output: graph.outputs[0], labels: undefined, notes: [] })
    expect(scoresOf(graph).graph).toBe(graph)
  })

  it('the scores behind a label are found, and what only the label needs is dropped', () => {
    const tree = node('TreeEnsembleClassifier', ['x'], ['l', 'p'], ml, classes)
    const graph = graphOf(
      [tree, node('Cast', ['l'], ['label'])],
      [info('label', 'int64', ['n']), info('p', 'float32', ['n', 2])],
    )
    const found = scoresOf(graph)
    expect(found.output.name).toBe('p')
    expect(found.graph.nodes).toEqual([tree])
    expect(found.notes).toEqual(['The scores are the output "p"; the others are not looked at.'])
  })

  it.each(['logits', 'probabilities', 'Scores'])('features before an output that is called %s are not taken', name => {
    const nodes = [node('Relu', ['x'], ['features']), node('Exp', ['features'], [name])]
    const graph = graphOf(nodes, [info('features', 'float32', ['n', 64]), info(name, 'float32', ['n', 2])])
    expect(scoresOf(graph).output.name).toBe(name)
    expect(scoresOf(graph).notes).toEqual([`The scores are the output "${name}"; the others are not looked at.`])
  })

  it('of outputs that are called otherwise the first is taken, and said', () => {
    const nodes = [node('Relu', ['x'], ['a']), node('Exp', ['a'], ['b'])]
    const graph = graphOf(nodes, [info('a', 'float32', ['n', 2]), info('b', 'float32', ['n', 2])])
    expect(scoresOf(graph).notes).toEqual(['The scores are the output "a"; the others are not looked at.'])
  })

  it('places that ArgMax gives are labels when the file states among how many', () => {
    const nodes = [node('Relu', ['x'], ['h']), node('ArgMax', ['h'], ['y'], '', { axis: { type: 'int', value: 1 } })]
    const valueInfo = new Map([['h', info('h', 'float32', ['n', 3])]])
    expect(scoresOf(graphOf(nodes, [info('y', 'int64', ['n'])], { valueInfo })).labels).toEqual([0, 1, 2])
  })

  it('what goes into ZipMap is taken', () => {
    const tree = node('TreeEnsembleClassifier', ['x'], ['l', 'p'], ml, classes)
    const graph = graphOf([tree, node('ZipMap', ['p'], ['z'], ml)], [info('l', 'string', ['n']), info('z', 'other')])
    const found = scoresOf(graph)
    expect(found.output).toEqual(info('p', 'float32'))
    expect(found.graph.outputs).toEqual([found.output])
    expect(found.graph.nodes).toEqual([tree])
  })

  it('labels alone stand in the order of the classes: of the classifier, or of the constant they are picked from', () => {
    const tree = node('TreeEnsembleClassifier', ['x'], ['l', 'p'], ml, classes)
    const named = graphOf([tree, node('Identity', ['l'], ['label'])], [info('label', 'string', ['n'])])
    expect(scoresOf(named).labels).toEqual(['cat', 'dog'])
    const picked = graphOf(
      [
        node('ArgMax', ['x'], ['i']),
        node('ArrayFeatureExtractor', ['c', 'i'], ['a'], ml),
        node('Reshape', ['a', 's'], ['label']),
      ],
      [info('label', 'int64', ['n'])],
      { initializers: new Map([['c', initializer({ dtype: 'int32', shape: [2], data: Int32Array.of(3, 7) })]]) },
    )
    expect(scoresOf(picked).labels).toEqual([3, 7])
  })

  it('scores that were quantised count, labels of unknown classes do not', () => {
    const quantised = graphOf([node('Relu', ['x'], ['y'])], [info('y', 'uint8', ['n', 10])])
    expect(scoresOf(quantised).labels).toBeUndefined()
    for (const dtype of ['int64', 'other'] as const) {
      const graph = graphOf([node('ArgMax', ['x'], ['y'])], [info('y', dtype, ['n'])])
      expect(() => scoresOf(graph)).toThrow(RobustlyError)
    }
  })
})
