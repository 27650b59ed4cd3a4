/**
 * tritune in a page: core, and of the plugins what needs no files and no processes. Bundle it with `--target browser`; a test sees
 * to it that nothing of `node:` comes along.
 *
 * ```ts
 * import { openWasmBytes } from 'tritune/browser'
 *
 * const response = await fetch('tritune_cpu_relaxed.wasm')
 * const bytes = new Uint8Array(await response.arrayBuffer())
 * const device = await openWasmBytes({ bytes, place: response.url })
 * ```
 *
 * Steps take a while and nothing interrupts them: run them in a worker, as the page of the documentation that trains does.
 *
 * @module
 */
export * from './core/mod.ts'
export { type Batch, type Batches, completionExamples, createBatches } from './plugins/data/mod.ts'
export {
  evaluateLoss,
  type EvaluationContext,
  type TrainContext,
  type TrainStep,
  trainStep,
} from './plugins/finetune/mod.ts'
export { generate, type GenerateOptions, streamText, type StreamOptions } from './plugins/generate/mod.ts'
export { createBatch, type MemorySourceOptions, MODELS, openMemorySource } from './plugins/models/mod.ts'
export { type AttachedAdapter, attachLora, type LoraModelOptions } from './plugins/peft/mod.ts'
export {
  createTokenizer,
  type ParsedTokenizer,
  type Tokenizer,
  type TokenizerFiles,
  tokenizerFilesOf,
} from './plugins/tokenizer/mod.ts'
export { type Engine, engineOf, openWasmBytes, type WasmBytesOptions } from './plugins/wasm/mod.ts'
