/**
 * The contracts of tritune and the small engine that they speak, room by room.
 *
 * @module
 */
// Contracts
export * from './contracts/adapter-definition.ts'
export * from './contracts/adapter.ts'
export * from './contracts/base-layer.ts'
export * from './contracts/capability.ts'
export * from './contracts/config.ts'
export * from './contracts/config-fields.ts'
export * from './contracts/dataset.ts'
export * from './contracts/device.ts'
export * from './contracts/gpu-dispatchable.ts'
export * from './contracts/layer.ts'
export * from './contracts/model.ts'
export * from './contracts/monitor.ts'
export * from './contracts/objective.ts'
export * from './contracts/options.ts'
export * from './contracts/plugin.ts'
export * from './contracts/quantize.ts'
export * from './contracts/run-event.ts'
export * from './contracts/sampler.ts'
export * from './contracts/stateful.ts'
export * from './contracts/strategy.ts'
export * from './contracts/world.ts'
// Errors and the host of plugins
export * from './errors.ts'
export * from './plugin-guard.ts'
export * from './registry.ts'
// Tensors, scopes, tape
export * from './tensor/autograd.ts'
export * from './tensor/default-device.ts'
export * from './tensor/dtype.ts'
export { expectTensor } from './tensor/expect-tensor.ts'
export * from './tensor/flat-gradients.ts'
export * from './tensor/noise.ts'
export * from './tensor/offload.ts'
export * from './tensor/op.ts'
export * from './tensor/quantized-weight.ts'
export * from './tensor/random.ts'
export * from './tensor/readback.ts'
export * from './tensor/reference-device.ts'
export * from './tensor/remake.ts'
export * from './tensor/scope.ts'
export * from './tensor/shape.ts'
export {
  type GradientSource,
  gradientsEnabled,
  linksOf,
  noGrad,
  record,
  withGradients,
} from './tensor/tape.ts'
export * from './tensor/tensor.ts'
// Ops
export * from './ops/mod.ts'
// Layers
export * from './layers/mod.ts'
// Linear algebra
export * from './linalg/mod.ts'
// Optimizers
export * from './optim/adamw.ts'
export * from './optim/clip.ts'
export * from './optim/more-schedules.ts'
export * from './optim/plateau.ts'
export * from './optim/schedule.ts'
export * from './optim/transform.ts'
