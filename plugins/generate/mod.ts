/**
 * Generation. See README.md.
 *
 * @module
 */
export { generate, type GenerateOptions } from './generate.ts'
