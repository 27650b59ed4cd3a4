/**
 * Datasets: files → records → token examples → batches. See README.md.
 *
 * @module
 */
export { alpaca, alpacaPrompt } from './alpaca.ts'
export { concatenate, createBatches } from './batches.ts'
export type { Batch, Batches, BatchesOptions, Window } from './batches.ts'
export { chatTemplate } from './chat-template.ts'
export { CHATML, chatTemplatePlace, chatTemplateSource, checkChatTemplate } from './chat-template-source.ts'
export type { ChatTemplateOptions } from './chat-template-source.ts'
export { colourTokens } from './colour-tokens.ts'
export type { ColourOptions } from './colour-tokens.ts'
export { completion, completionExamples } from './completion.ts'
export { datasetFiles } from './dataset-files.ts'
export type { DatasetInput, UserDefinedInput } from './dataset-input.ts'
export { datasetOptions } from './dataset-options.ts'
export { DATASET_TYPES } from './dataset-words.ts'
export { DATASET_KEY_DOCS } from './key-docs.ts'
export type { DatasetOptions } from './dataset-options.ts'
export type { DatasetTypeName, TrainOnEos, UserDefinedType } from './dataset-words.ts'
export { formatReport, untrainedLines } from './dataset-report.ts'
export type { DatasetReport, SplitReport } from './dataset-report.ts'
export { IGNORE } from './dataset-type.ts'
export type {
  DataRecord,
  DatasetType,
  RecordSource,
  TokenizeContext,
  TokenizedExample,
} from './dataset-type.ts'
export { datasetTypeOf } from './dataset-types.ts'
export { inputOutput } from './input-output.ts'
export { loadDataset } from './load-dataset.ts'
export type { DataConfig, LoadedDataset } from './load-dataset.ts'
export { packDocuments } from './pack-documents.ts'
export { tokenizePromptResponse } from './prompt-response.ts'
export { readRecords } from './read-records.ts'
export { sharegpt } from './sharegpt.ts'
export { openTokenSpool, type TokenSpool } from './token-spool.ts'
export { splitValidation } from './split-validation.ts'
export { tokenized } from './tokenized.ts'
export type { ChatMessage, TokenizerLike } from '../../core/contracts/dataset.ts'
export { trainedTokens } from './trained-tokens.ts'
export { userDefined } from './user-defined.ts'
