/**
 * Optimizers besides AdamW, which is in core: Lion, Adafactor, Muon, SOAP, schedule-free AdamW, SGD, RMSprop.
 *
 * @module
 */
export { adafactor, type AdafactorOptions } from './adafactor.ts'
export type { WeightDecay } from './elementwise.ts'
export { lion, type LionOptions } from './lion.ts'
export { muon, type MuonAdjustment, type MuonOptions, orthogonalized } from './muon.ts'
export { optimizers, type ProvidedOptimizer } from './optimizers.ts'
export { rmsprop, type RmspropOptions } from './rmsprop.ts'
export { scheduleFreeAdamw, type ScheduleFreeOptions } from './schedule-free.ts'
export { sgd, type SgdOptions } from './sgd.ts'
export { soap, type SoapOptions, type SoapSides } from './soap.ts'
