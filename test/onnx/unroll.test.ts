/** Control flow with constant conditions and trips, against ONNX Runtime's own If, Loop and Scan. */
import { beforeAll, describe, expect, test } from 'vitest'
import { encodeModel } from '../../src/onnx/codec/index.js'
import { type Attribute, type Graph, initializer, type Node } from '../../src/onnx/graph.js'
import { simplify } from '../../src/onnx/passes/index.js'
import { withoutSequences } from '../../src/onnx/passes/sequences.js'
import { unroll } from '../../src/onnx/passes/unroll.js'
import { type Engine, loadEngine } from '../../src/runtime/engine.js'
import { bool, float32, int64, type Tensor } from '../../src/tensor/tensor.js'
import { int, ints, node } from '../support/nodes.js'

let engine: Engine
beforeAll(async () => {
  engine = await loadEngine()
})

type Names = Readonly<Record<string, 'float32' | 'int64' | 'bool'>>

function graph(
  inputs: Names,
  outputs: Names,
  nodes: readonly Node[],
  constants: Readonly<Record<string, Tensor>> = {},
  shape?: readonly number[],
): Graph {
  const infos = (names: Names, of?: readonly number[]) =>
    Object.entries(names).map(([name, dtype]) => ({ name, dtype, shape: dtype === 'float32' ? of : [] }))
  return {
    name: 'test',
    opsets: new Map([['', 21]]),
    inputs: infos(inputs, shape),
    outputs: infos(outputs),
    nodes,
    initializers: new Map(Object.entries(constants).map(([name, tensor]) => [name, initializer(tensor)])),
    valueInfo: new Map(),
  }
}

const inner = (
  inputs: Names,
  outputs: Names,
  nodes: readonly Node[],
  constants: Readonly<Record<string, Tensor>> = {},
): Attribute => ({
  type: 'graph',
  value: graph(inputs, outputs, nodes, constants),
})

const x = float32([1, -2, 3, 0.5, -0.25, 2], [2, 3])

async function run(model: Graph): Promise<Tensor[]> {
  await using session = await engine.createSession({ bytes: encodeModel(model) }, { threads: 1, optimization: 'none' })
  const outputs = await session.run(new Map([['x', x]]))
  return model.outputs.map(output => outputs.get(output.name)!)
}

const step = (condition: Node | undefined, constants: Record<string, Tensor> = {}) =>
  inner(
    { i: 'int64', go: 'bool', s: 'float32' },
    { [condition === undefined ? 'go' : 'next']: 'bool', t: 'float32', seen: 'float32' },
    [
      ...(condition === undefined ? [] : [condition]),
      node('Cast', ['i'], ['n'], { to: int(1) }),
      node('Add', ['s', 'n'], ['a']),
      node('Mul', ['a', 'w'], ['t']),
      node('Relu', ['a'], ['seen']),
    ],
    { w: float32([0.5], []), ...constants },
  )
const trips = (count: number) => ({ m: int64([count], []), go0: bool([true], []) })
const loop = (body: Attribute, inputs = ['m', 'go0', 'x']) => node('Loop', inputs, ['y', 'z'], { body })
const both = { y: 'float32', z: 'float32' } as const
const recurrence = inner({ s: 'float32', e: 'float32' }, { t: 'float32', o: 'float32' }, [
  node('Add', ['s', 'e'], ['t']),
  node('Tanh', ['t'], ['o']),
])

const models: readonly (readonly [string, Graph])[] = [
  ['a Loop of three trips', graph({ x: 'float32' }, both, [loop(step(undefined))], trips(3), [2, 3])],
  [
    'a Loop without a condition',
    graph({ x: 'float32' }, both, [loop(step(undefined), ['m', '', 'x'])], trips(2), [2, 3]),
  ],
  [
    'a Loop whose condition is a constant of the body',
    graph(
      { x: 'float32' },
      both,
      [loop(step(node('Identity', ['true'], ['next']), { true: bool([true], []) }))],
      trips(3),
      [2, 3],
    ),
  ],
  [
    'a Loop over a Range whose limits have a dimension',
    graph(
      { x: 'float32' },
      both,
      [
        loop(
          inner(
            { i: 'int64', go: 'bool', s: 'float32' },
            { go: 'bool', t: 'float32', seen: 'float32' },
            [
              node('Add', ['i', 'three'], ['last']),
              node('Reshape', ['last', 'flat'], ['limit']),
              node('Slice', ['limit', 'zeros', 'limit'], ['end']),
              node('Range', ['zero', 'end', 'step'], ['places']),
              node('Cast', ['places'], ['n'], { to: int(1) }),
              node('ReduceSum', ['n'], ['total'], { keepdims: int(0) }),
              node('Add', ['s', 'total'], ['t']),
              node('Relu', ['t'], ['seen']),
            ],
            { zero: int64([0], []), step: int64([2], []) },
          ),
        ),
      ],
      { ...trips(2), three: int64([3], []), flat: int64([-1]), zeros: int64([0]) },
      [2, 3],
    ),
  ],
  [
    'a Loop that stops after one trip',
    graph(
      { x: 'float32' },
      both,
      [loop(step(node('Identity', ['no'], ['next']), { no: bool([false], []) }))],
      trips(3),
      [2, 3],
    ),
  ],
  ...[
    ['no number of trips', ''],
    ['a number of trips that comes first', 'm'],
  ].map(
    ([limit, trips]) =>
      [
        `a Loop while a counter is small, with ${limit}`,
        graph(
          { x: 'float32' },
          { y: 'float32', z: 'float32' },
          [
            node('Loop', [trips!, 'go0', 'start', 'x'], ['k', 'y', 'z'], {
              body: inner(
                { i: 'int64', go: 'bool', counter: 'int64', s: 'float32' },
                { next: 'bool', counted: 'int64', t: 'float32', seen: 'float32' },
                [
                  node('Add', ['counter', 'two'], ['counted']),
                  node('Cast', ['counted'], ['f'], { to: int(1) }),
                  node('Less', ['f', 'limit'], ['next']),
                  node('Mul', ['s', 'f'], ['t']),
                  node('Relu', ['t'], ['seen']),
                ],
                { two: int64([2], []) },
              ),
            }),
          ],
          { m: int64([2], []), go0: bool([true], []), start: int64([1], []), limit: float32([6.5], []) },
          [2, 3],
        ),
      ] as const,
  ),
  [
    'a Loop within a Loop that reads the outer state',
    graph(
      { x: 'float32' },
      { y: 'float32' },
      [
        node('Loop', ['m', '', 'x'], ['y'], {
          body: inner({ i: 'int64', go: 'bool', s: 'float32' }, { go: 'bool', t: 'float32' }, [
            node('Loop', ['m', '', 's'], ['t'], {
              body: inner({ j: 'int64', on: 'bool', u: 'float32' }, { on: 'bool', v: 'float32' }, [
                node('Mul', ['u', 's'], ['p']),
                node('Sub', ['p', 'x'], ['v']),
              ]),
            }),
          ]),
        }),
      ],
      { m: int64([2], []) },
      [2, 3],
    ),
  ],
  [
    'an If decided by a shape, with a branch that reads from outside',
    graph(
      { x: 'float32' },
      { y: 'float32' },
      [
        node('Shape', ['x'], ['s']),
        node('Gather', ['s', 'one'], ['n']),
        node('Greater', ['n', 'two'], ['c']),
        node('If', ['c'], ['h'], {
          then_branch: inner({}, { r: 'float32' }, [node('Relu', ['x'], ['r'])]),
          else_branch: inner({}, { r: 'float32' }, [node('Neg', ['x'], ['r'])]),
        }),
        node('Add', ['h', 'x'], ['y']),
      ],
      { one: int64([1], []), two: int64([2], []) },
      [2, 3],
    ),
  ],
  ...[0, 1].map(
    direction =>
      [
        `a Scan along columns, direction ${direction}`,
        graph(
          { x: 'float32' },
          both,
          [
            node('ReduceSum', ['x', 'axis'], ['s0'], { keepdims: int(0) }),
            node('Relu', ['x'], ['h']),
            node('Scan', ['s0', 'h'], ['y', 'z'], {
              body: recurrence,
              num_scan_inputs: int(1),
              scan_input_axes: ints(1),
              scan_input_directions: ints(direction),
            }),
          ],
          { axis: int64([1]) },
          [2, 3],
        ),
      ] as const,
  ),
]

describe('control flow', () => {
  test.each(models)('%s is unrolled', async (_, before) => {
    const after = await simplify(before, engine)
    expect(after.nodes.filter(({ op }) => ['If', 'Loop', 'Scan'].includes(op))).toEqual([])
    const [wanted, got] = [await run(before), await run(after)]
    wanted.forEach((tensor, i) => {
      expect(got[i]!.shape).toEqual(tensor.shape)
      Array.from(tensor.data as Float32Array).forEach((value, at) => {
        expect(Number(got[i]!.data[at])).toBeCloseTo(value, 5)
      })
    })
  })

  test('what is decided at run time, or too often repeated, stays', () => {
    const none = () => undefined
    const computed = graph({ x: 'float32' }, both, [loop(step(node('Less', ['s', 's'], ['next'])))], trips(3), [])
    const endless = graph({ x: 'float32' }, both, [loop(step(undefined))], trips(1e12), [2, 3])
    const unknown = graph({ x: 'float32', c: 'bool' }, { y: 'float32' }, [
      node('If', ['c'], ['y'], {
        then_branch: inner({}, { r: 'float32' }, [node('Relu', ['x'], ['r'])]),
        else_branch: inner({}, { r: 'float32' }, [node('Neg', ['x'], ['r'])]),
      }),
    ])
    const forever = graph(
      { x: 'float32' },
      both,
      [loop(step(node('Less', ['i', 'last'], ['next'])), ['', 'go0', 'x'])],
      { ...trips(0), last: int64([2 ** 52], []) },
      [2, 3],
    )
    for (const model of [computed, endless, unknown, forever]) expect(unroll(model, none)).toBe(model)
  })

  test('the constants of a body are not repeated', () => {
    const model = graph({ x: 'float32' }, both, [loop(step(undefined))], trips(5), [2, 3])
    const after = unroll(model, () => undefined)
    expect([...after.initializers.values()].filter(({ dtype }) => dtype === 'float32')).toHaveLength(1)
  })
})

describe('sequences', () => {
  const made = [
    node('Exp', ['x'], ['e']),
    node('SequenceEmpty', [], ['s0']),
    node('SequenceInsert', ['s0', 'x'], ['s1']),
    node('SequenceInsert', ['s1', 'e', 'first'], ['s2']),
    node('SequenceConstruct', ['e', 'x', 'e'], ['s3']),
  ]
  const constants = { first: int64([0], []), last: int64([-1], []) }

  test.each([
    ['joined', [node('ConcatFromSequence', ['s2'], ['y'], { axis: int(1) })]],
    ['stacked', [node('ConcatFromSequence', ['s3'], ['y'], { axis: int(0), new_axis: int(1) })]],
    ['picked from', [node('SequenceAt', ['s2', 'last'], ['y'])]],
  ])('%s become tensors', async (_, read) => {
    const model = graph({ x: 'float32' }, { y: 'float32' }, [...made, ...read], constants, [2, 3])
    const written = withoutSequences(model)
    expect(written.nodes.filter(({ op }) => op.includes('Sequence'))).toEqual([])
    expect(await run(written)).toEqual(await run(model))
  })

  test('of unknown places stay', () => {
    const read = [node('SequenceLength', ['s3'], ['n']), node('SequenceAt', ['s2', 'n'], ['y'])]
    const model = graph({ x: 'float32' }, { y: 'float32' }, [...made, ...read], constants, [2, 3])
    expect(withoutSequences(model)).toBe(model)
  })
})
