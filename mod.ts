/**
 * tritune fine-tunes language models from TypeScript: this is everything at once, core and the built-in plugins.
 *
 * ```ts
 * import { finetune } from 'tritune'
 *
 * const { loss, outputDir } = await finetune({
 *   base_model: 'HuggingFaceTB/SmolLM2-135M-Instruct',
 *   adapter: 'lora',
 *   lora_target_linear: true,
 *   datasets: [{ path: 'my-data.jsonl', type: 'alpaca' }],
 *   learning_rate: 2e-4,
 * })
 * ```
 *
 * Importing it opens nothing: no library is loaded and no file is read before something is called. Programs that need
 * one part can import `tritune/core` or `tritune/plugins/<name>`.
 *
 * @module
 */
export * from './core/mod.ts'
// Where a plugin has its own thing of this name, core's is the one.
export type { ChatMessage, RopeTables } from './core/mod.ts'
export { vsaBind, vsaBundle, vsaSimilarity, vsaUnbind } from './core/mod.ts'
export * from './plugins/accel/mod.ts'
export * from './plugins/advise/mod.ts'
export * from './plugins/autotune/mod.ts'
export * from './plugins/bitnet/mod.ts'
export * from './plugins/cpu/mod.ts'
export * from './plugins/cuda/mod.ts'
export * from './plugins/data/mod.ts'
export * from './plugins/distributed/mod.ts'
export * from './plugins/evaluate/mod.ts'
export * from './plugins/export/mod.ts'
export * from './plugins/finetune/mod.ts'
export * from './plugins/generate/mod.ts'
export * from './plugins/gguf/mod.ts'
export * from './plugins/grpo/mod.ts'
export * from './plugins/http/mod.ts'
export * from './plugins/hub/mod.ts'
export * from './plugins/hybrid/mod.ts'
export * from './plugins/jinja/mod.ts'
export * from './plugins/models/mod.ts'
export * from './plugins/monitor/mod.ts'
export * from './plugins/optim/mod.ts'
export * from './plugins/peft/mod.ts'
export * from './plugins/preference/mod.ts'
export * from './plugins/qlora/mod.ts'
export * from './plugins/runs/mod.ts'
export * from './plugins/serve/mod.ts'
export * from './plugins/ternary/mod.ts'
export * from './plugins/tokenizer/mod.ts'
export * from './plugins/trackers/mod.ts'
export * from './plugins/vsa-optim/mod.ts'
export * from './plugins/wasm/mod.ts'
