/**
 * A server that speaks OpenAI's and Anthropic's protocols. See README.md.
 *
 * @module
 */
export {
  openServedModel,
  type ServedModel,
  type ServedModelOptions,
  type ServedVoice,
} from './model/served-model.ts'
export { serveModel, type ServeOptions, type ServerLoad, type TextServer } from './server.ts'
export { createTextQueue, type TextListener, type TextQueue } from './text/text-queue.ts'
