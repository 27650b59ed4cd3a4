/**
 * QLoRA: frozen weights in 4 and 8 bits, made while a model is loaded or read from checkpoints that hold them. See README.md.
 *
 * @module
 */
import { type Capabilities, definePlugin, type Plugin } from '../../core/mod.ts'
import { qat } from './qat/qat-quantizer.ts'
import { fp4, int8, nf4, ternary } from './quantizers.ts'

export { expectRoundable, gptq, type GptqOptions, type GptqWeights } from './gptq/gptq.ts'
export type { FourBitForm } from './gptq/round-weight.ts'
export { packLayers, type PackLayersOptions } from './pack-layers.ts'
export { damaged, expectEntry, type PackedFile } from './packed-file.ts'
export { type PackedWeightOptions, readPackedWeight } from './packed-weights.ts'
export {
  fp4,
  type FourBitOptions,
  int8,
  INT8_THRESHOLD,
  type Int8Options,
  nf4,
  openQuantizer,
  type Quantizer,
  ternary,
} from './quantizers.ts'
export { type FakeFormat, fakeQuantize } from './qat/fake-quantize.ts'
export { qat, type QatOptions } from './qat/qat-quantizer.ts'
export { expectSkips, isSkipped } from './skip-modules.ts'
export {
  type GroupedQuantization,
  readStoredQuantization,
  type StoredQuantization,
} from './stored-quantization.ts'
export { bitsandbytesConfig, bitsandbytesSources, plainSources } from './write-bitsandbytes.ts'

/** The plugin that provides the quantizers `nf4`, `fp4`, `int8`, `ternary` and `qat`. */
export const qlora: Plugin & {
  readonly provides: {
    readonly quantizer: Readonly<
      Record<'nf4' | 'fp4' | 'int8' | 'ternary' | 'qat', Capabilities['quantizer']>
    >
  }
} = /* @__PURE__ */ definePlugin({
  name: 'qlora',
  provides: { quantizer: { nf4, fp4, int8, ternary, qat } },
})
