/**
 * The functions of tritter-accel as TypeScript has them: flat, typed, each a few calls of other plugins. See README.md.
 *
 * @module
 */
export {
  type BitlinearLayer,
  bitlinearCompressionRatio,
  bitlinearForward,
  bitlinearInFeatures,
  type BitlinearOptions,
  bitlinearOutFeatures,
  bitlinearSparsity,
  createBitlinear,
} from './bitlinear.ts'
export type { FloatArray, Floats } from './float-array.ts'
export { compressGradientsVsa, decompressGradientsVsa } from './gradients.ts'
export { type Trits, vsaBind, vsaBundle, vsaRandom, vsaSimilarity, vsaUnbind } from './hypervectors.ts'
export { cudaAvailable, version } from './machine.ts'
export {
  packTernaryWeights,
  quantizeWeightsAbsmean,
  ternaryMatmul,
  type TernaryWeights,
  unpackTernaryWeights,
} from './ternary-weights.ts'
export {
  createTrainer,
  type NamedGradients,
  type ParameterShape,
  type Trainer,
  trainerGetPhase,
  trainerGetStats,
  type TrainerOptions,
  trainerReset,
  type TrainerStats,
  trainerStep,
  type TrainerStepInput,
  type TrainerStepResult,
} from './trainer.ts'
