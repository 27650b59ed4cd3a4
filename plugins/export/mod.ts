/**
 * Models and adapters in the files of other tools: GGUF, Ollama, Hugging Face, PEFT. See README.md.
 *
 * @module
 */
export { type ChatWraps, findChatWraps, type Wrap, wrapChat } from './chat-wraps.ts'
export { compareLogits, type LogitDifference, promptIds, promptLogits } from './compare-logits.ts'
export { exportModel, type ExportOptions, type ExportReport } from './export-model.ts'
export { type ExportSource, findSource, type FindSourceOptions } from './export-source.ts'
export { exportGgufAdapter, type GgufAdapterNames } from './gguf-adapter.ts'
export { exportGgufModel, type GgufModelOptions } from './gguf-model.ts'
export { modelfile, type Modelfile, type ModelfileOptions } from './modelfile.ts'
export { EXPORT_TARGETS, type ExportTarget } from './targets.ts'
