/**
 * Models of the Hugging Face hub: downloaded into its standard cache, and pushed to it. See README.md.
 *
 * @module
 */
export { type DatasetRepository, openDatasetRepository } from './dataset-repository.ts'
export { cardFacts, factsOfFolder } from './folder-facts.ts'
export { type CacheContents, type CachedModel, cachedModels, removeCachedModel } from './cached-models.ts'
export { type ModelHeaders, resolveModelHeaders } from './headers.ts'
export { isHubName, modelCard, type ModelCardOptions, type TrainingFacts } from './model-card.ts'
export {
  planPush,
  preparePush,
  pushFolder,
  type PushOptions,
  type PushPlan,
  type PushResult,
} from './push.ts'
export type { PushContent } from './push-content.ts'
export type { ListOptions, PushKind } from './push-files.ts'
export { resolveModel } from './resolve.ts'
export { resolveModelPart } from './resolve-part.ts'
export type { HubOptions, HubProgress } from './settings.ts'
