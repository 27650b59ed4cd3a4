/**
 * The contracts of tritune and the small engine that they speak.
 *
 * @module
 */
export * from './autograd.ts'
export * from './device.ts'
export * from './dtype.ts'
export * from './errors.ts'
export * from './noise.ts'
export * from './op.ts'
export * from './ops/mod.ts'
export * from './scope.ts'
export * from './shape.ts'
export { gradientsEnabled, linksOf, noGrad, record } from './tape.ts'
export * from './tensor.ts'
