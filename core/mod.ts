/**
 * The contracts of tritune and the small engine that they speak.
 *
 * @module
 */
export * from './adamw.ts'
export * from './adapter.ts'
export * from './autograd.ts'
export * from './capability.ts'
export * from './clip.ts'
export * from './dataset.ts'
export * from './device.ts'
export * from './dtype.ts'
export * from './errors.ts'
export * from './gpu-dispatchable.ts'
export * from './layer.ts'
export * from './model.ts'
export * from './op.ts'
export * from './ops/mod.ts'
export * from './optim.ts'
export * from './plugin.ts'
export * from './quantize.ts'
export * from './registry.ts'
export * from './schedule.ts'
export * from './scope.ts'
export * from './shape.ts'
export { gradientsEnabled, noGrad } from './tape.ts'
export * from './tensor.ts'
