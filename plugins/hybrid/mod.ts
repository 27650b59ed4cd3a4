/**
 * Steps that are guessed from those before, kept only where they are measured to help. See README.md.
 *
 * @module
 */
import { type Capabilities, definePlugin, type Plugin } from '../../core/mod.ts'
import { hybridStrategy } from './strategy.ts'

export type { HybridArm } from './arms.ts'
export type { HybridOptions } from './options.ts'
export { hybridStrategy }

/** The plugin that provides the strategy `hybrid`. */
export const hybrid: Plugin & {
  readonly provides: { readonly strategy: { readonly hybrid: Capabilities['strategy'] } }
} = /* @__PURE__ */ definePlugin({ name: 'hybrid', provides: { strategy: { hybrid: hybridStrategy } } })
