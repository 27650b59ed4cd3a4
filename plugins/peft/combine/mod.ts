/** Several adapters become one. */
export { addWeightedAdapter } from './add-weighted-adapter.ts'
export { COMBINE_METHODS, type CombineMethod } from './methods.ts'
export type { CombineOptions } from './options.ts'
export type { MajoritySign, VectorMethod } from './vectors.ts'
