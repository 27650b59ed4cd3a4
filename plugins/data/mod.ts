/**
 * Datasets: files → records → token examples → batches. See README.md.
 *
 * @module
 */
export { alpaca, alpacaPrompt } from './types/alpaca.ts'
export { concatenate, createBatches } from './packing/batches.ts'
export type { Batch, Batches, BatchesOptions, Window } from './packing/batches.ts'
export { chatTemplate } from './chat/chat-template.ts'
export {
  CHAT_TEMPLATE_CHOICES,
  type ChatTemplateChoice,
  type ChatTemplateOptions,
  chatTemplatePlace,
  chatTemplateSource,
  checkChatTemplate,
  templateName,
} from './chat/chat-template-source.ts'
export { CHATML } from './templates/chatml.ts'
export { expectTemplateTokens } from './templates/template-tokens.ts'
export { CHAT_TEMPLATE_NAMES, chatTemplateNamed, type ChatTemplateName } from './templates/chat-templates.ts'
export { colourTokens } from './colour-tokens.ts'
export type { ColourOptions } from './colour-tokens.ts'
export { completion, completionExamples } from './types/completion.ts'
export { datasetFiles } from './files/dataset-files.ts'
export { isHubDataset, resolveHubDataset } from './files/hub-dataset.ts'
export type { DatasetInput, UserDefinedInput, UserDefinedPreferenceInput } from './options/dataset-input.ts'
export { datasetOptions, preferenceFields } from './options/dataset-options.ts'
export { DATASET_TYPES, PROMPT_TYPE_NAMES } from './options/dataset-words.ts'
export { DATASET_KEY_DOCS } from './options/key-docs.ts'
export type { DatasetOptions } from './options/dataset-options.ts'
export type {
  DatasetTypeName,
  FileFormat,
  PromptTypeName,
  TrainOnEos,
  UserDefinedPreference,
  UserDefinedType,
} from './options/dataset-words.ts'
export { formatReport, untrainedLines } from './loading/dataset-report.ts'
export type { DatasetReport, SplitReport } from './loading/dataset-report.ts'
export { IGNORE } from './types/dataset-type.ts'
export type {
  DataRecord,
  DatasetType,
  RecordSource,
  TokenizeContext,
  TokenizedExample,
} from './types/dataset-type.ts'
export { datasetTypeOf } from './types/dataset-types.ts'
export { inputOutput } from './types/input-output.ts'
export { loadDataset } from './loading/load-dataset.ts'
export type { DataConfig } from './loading/data-config.ts'
export type { LoadedDataset, LoadOptions } from './loading/load-dataset.ts'
export type { Chunk, ExampleStream } from './loading/example-stream.ts'
export type { TokenizeProgress } from './loading/load-entry.ts'
export { lengthOf } from './types/stored-example.ts'
export { documentsOf, type ExampleDocument, joinDocuments } from './packing/documents.ts'
export { packDocuments, packInOrder } from './packing/pack-documents.ts'
export {
  encodeOpening,
  type TextTokenizer,
  tokenizePromptResponse,
  withEos,
} from './types/prompt-response.ts'
export { prompt as promptType } from './types/prompt.ts'
export { readRecords } from './files/read-records.ts'
export { sharegpt } from './types/sharegpt.ts'
export { openTokenSpool, type TokenSpool } from './loading/token-spool.ts'
export { splitValidation } from './loading/split-validation.ts'
export { tellDatasetType, type TellTypeRemedies } from './types/tell-type.ts'
export { tokenized } from './types/tokenized.ts'
export { oneTurn, TURN_STYLES, type TurnStyle } from './types/turn-styles.ts'
export type { ChatMessage, TokenizerLike } from '../../core/contracts/dataset.ts'
export { trainedTokens } from './packing/trained-tokens.ts'
export { parseFormat, userDefined } from './types/user-defined.ts'
