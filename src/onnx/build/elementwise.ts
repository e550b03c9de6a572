/** Element-wise operators, softmaxes and conversions. */
import { broadcastShapes, type DataType } from '../../tensor/tensor.js'
import { elementTypes, type OperatorName } from '../operators.js'
import { GraphCore, type Value } from './core.js'

export class ElementwiseBuilder extends GraphCore {
  // Element-wise, with broadcasting.
  add = (a: Value, b: Value) => this.#broadcast('Add', [a, b])
  sub = (a: Value, b: Value) => this.#broadcast('Sub', [a, b])
  mul = (a: Value, b: Value) => this.#broadcast('Mul', [a, b])
  div = (a: Value, b: Value) => this.#broadcast('Div', [a, b])
  pow = (a: Value, b: Value) => this.#broadcast('Pow', [a, b])
  min = (...values: Value[]) => this.#broadcast('Min', values)
  max = (...values: Value[]) => this.#broadcast('Max', values)
  sum = (...values: Value[]) => (values.length === 1 ? values[0]! : this.#broadcast('Sum', values))
  equal = (a: Value, b: Value) => this.#broadcast('Equal', [a, b], 'bool')
  greater = (a: Value, b: Value) => this.#broadcast('Greater', [a, b], 'bool')
  greaterOrEqual = (a: Value, b: Value) => this.#broadcast('GreaterOrEqual', [a, b], 'bool')
  less = (a: Value, b: Value) => this.#broadcast('Less', [a, b], 'bool')
  lessOrEqual = (a: Value, b: Value) => this.#broadcast('LessOrEqual', [a, b], 'bool')
  and = (a: Value, b: Value) => this.#broadcast('And', [a, b])
  or = (a: Value, b: Value) => this.#broadcast('Or', [a, b])
  where = (condition: Value, a: Value, b: Value) => this.#broadcast('Where', [condition, a, b], a.dtype)

  // Element-wise, of one value.
  abs = (x: Value) => this.unary('Abs', x)
  neg = (x: Value) => this.unary('Neg', x)
  not = (x: Value) => this.unary('Not', x)
  exp = (x: Value) => this.unary('Exp', x)
  log = (x: Value) => this.unary('Log', x)
  sqrt = (x: Value) => this.unary('Sqrt', x)
  erf = (x: Value) => this.unary('Erf', x)
  sign = (x: Value) => this.unary('Sign', x)
  relu = (x: Value) => this.unary('Relu', x)
  sigmoid = (x: Value) => this.unary('Sigmoid', x)
  softplus = (x: Value) => this.unary('Softplus', x)
  sin = (x: Value) => this.unary('Sin', x)
  cos = (x: Value) => this.unary('Cos', x)
  sinh = (x: Value) => this.unary('Sinh', x)
  cosh = (x: Value) => this.unary('Cosh', x)
  reciprocal = (x: Value) => this.unary('Reciprocal', x)
  round = (x: Value) => this.unary('Round', x)
  tanh = (x: Value) => this.unary('Tanh', x)
  identity = (x: Value) => this.unary('Identity', x)

  cast(x: Value, dtype: DataType): Value {
    if (x.dtype === dtype) return x
    return this.emit('Cast', [x], { to: elementTypes[dtype] }, [{ dtype, shape: x.shape }])[0]!
  }

  softmax = (x: Value, axis = -1): Value => this.emit('Softmax', [x], { axis }, [x])[0]!
  logSoftmax = (x: Value, axis = -1): Value => this.emit('LogSoftmax', [x], { axis }, [x])[0]!

  /** Any operator of one input whose output has the same type and shape. */
  unary = (op: OperatorName, x: Value): Value => this.emit(op, [x], {}, [x])[0]!

  #broadcast(op: OperatorName, values: readonly Value[], dtype: DataType = values[0]!.dtype): Value {
    const shape = broadcastShapes(...values.map(value => value.shape))
    return this.emit(op, values, {}, [{ dtype, shape }])[0]!
  }
}
