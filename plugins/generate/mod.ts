/**
 * Generation. See README.md.
 *
 * @module
 */
export type { SamplingOptions } from './_choose.ts'
export {
  type BatchEngine,
  type BatchEngineOptions,
  openBatchEngine,
  type TextRequest,
  type TextStep,
} from './batch-engine.ts'
export { type StepLogprobs, type TokenLogprob } from './_logprobs.ts'
export { generate, type GenerateOptions } from './generate.ts'
export { type BatchToken, generateBatch, type GenerateBatchOptions } from './generate-batch.ts'
export { type Generator, openGenerator, type OpenGeneratorOptions } from './open-generator.ts'
export { openTokenizerFor } from './given-template.ts'
export { tokenizerFilesFor } from './tokenizer-files.ts'
export { type StopWatch, watchForStops } from './stop-watch.ts'
export { type TokenConstraint } from './token-constraint.ts'
export { openJsonSchema, type OpenSchema } from './json-schema/open-json-schema.ts'
export { packedWeights, type WritingQuantizer } from './packed-weights.ts'
export { type GeneratorInput, streamText, type StreamOptions } from './stream-text.ts'
