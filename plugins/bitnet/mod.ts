/**
 * BitNet b1.58: ternary weights that are trained, packed, and stored as transformers does. See README.md.
 *
 * @module
 */
import { type Capabilities, definePlugin, type Plugin } from '../../core/mod.ts'
import { bitnetQuantizer } from './bitnet-quantizer.ts'

export { bitLinear, type BitLinearOptions, type TritQuantizer } from './bit-linear.ts'
export { bitLinearForms, type BitLinearFormOptions } from './bit-linear-form.ts'
export { bitnetQuantizer, type BitnetOptions } from './bitnet-quantizer.ts'
export { absMax, absMean, type ScaleSpan, type TritRoundingOptions } from './quantizers.ts'
export { readBitnetWeight } from './read-bitnet.ts'
export { readStoredBitnet, type StoredBitnet, storedBitnetForms } from './stored-bitnet.ts'
export { ternarize, type Ternarized, type TernarizeOptions, type TritScale } from './ternarize.ts'
export { bitnetConfig, type BitnetFormat, bitnetSources } from './write-bitnet.ts'

/** The plugin that provides the quantizer `bitnet`. */
export const bitnet: Plugin & {
  readonly provides: { readonly quantizer: Readonly<Record<'bitnet', Capabilities['quantizer']>> }
} = /* @__PURE__ */ definePlugin({
  name: 'bitnet',
  provides: { quantizer: { bitnet: bitnetQuantizer } },
})
