/** Models of the Hugging Face hub, downloaded into its standard cache. See README.md. */

export { resolveModel } from './resolve.ts'
export { resolveModelPart } from './resolve-part.ts'
export type { HubOptions, HubProgress } from './settings.ts'
