/**
 * Generation. See README.md.
 *
 * @module
 */
export { generate, type GenerateOptions } from './generate.ts'
export {
  type Generator,
  type GeneratorInput,
  openGenerator,
  type OpenGeneratorOptions,
  streamText,
  type StreamOptions,
} from './open-generator.ts'
