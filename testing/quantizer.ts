/**
 * The contract of a quantizer: `quantizerContract(definition)` gives its checks.
 */
import {
  type Capabilities,
  createRandom,
  type Dequantize,
  type Device,
  type Quantize,
  type QuantizedTensor,
  referenceDevice,
  sameShape,
  type Shape,
  sizeOf,
  tensor,
  type Tensor,
  tensorScope,
} from '../core/mod.ts'
import { packLayers } from '../plugins/qlora/mod.ts'
import { attachLora } from '../plugins/peft/mod.ts'
import { lossAndGradients } from './adapter-rig.ts'
import { Broken, check, type ContractCheck, expectKept, tensorText } from './check.ts'
import { bytesOf, expectClose, expectSameBits } from './compare.ts'
import { optionChecks, type OptionsToTry } from './contract-options.ts'
import { type ContractDevice, NATIVE_DEVICES, onDevices, quickDevice } from './devices.ts'
import { expectNothingLeft } from './leaks.ts'
import { logitsOf, tinyModel } from './tiny-model.ts'

/** Options of `quantizerContract()`: the quantizer's, how exact it is, and on which shapes. */
export interface QuantizerContractOptions extends OptionsToTry {
  /** √(Σ(x − x̂)² / Σx²) of normal numbers that it stays below; default: 0.2. Ternary ones need 0.6. */
  readonly error?: number
  /** Weights (out, in) that it is tried on; default: two of different proportions. */
  readonly shapes?: readonly Shape[]
  /** Where its results are compared with the reference; default: the CPU, emulated CUDA. */
  readonly devices?: readonly ContractDevice[]
}

type Quantizer = Quantize<QuantizedTensor> & Dequantize<QuantizedTensor>

/**
 * Checks of what a quantizer promises. Nothing runs before a check is run.
 *
 * @example
 * ```ts
 * import { qlora } from 'tritune/plugins/qlora'
 * import { quantizerContract, runContract } from 'tritune/testing'
 *
 * const { failed, text } = await runContract(quantizerContract(qlora.provides.quantizer.int8, { devices: [] }))
 * console.log(failed.length === 0 ? 'kept' : text) // → kept
 * ```
 */
export function quantizerContract(
  definition: Capabilities['quantizer'],
  options: QuantizerContractOptions = {},
): ContractCheck[] {
  const {
    error = 0.2,
    shapes = [
      [16, 64],
      [48, 32],
    ],
    devices = NATIVE_DEVICES,
  } = options
  const { name } = definition
  const device = quickDevice(referenceDevice)
  const maker: { create(options: unknown): Quantizer } = definition
  const make = (): Quantizer => maker.create(definition.options.validate(options.options ?? {}))
  const each = (work: (weight: Tensor, quantizer: Quantizer) => void, on: Device = device): void => {
    for (const shape of shapes) {
      using _scope = tensorScope()
      work(weightOf(shape, on), make())
    }
  }
  return [
    ...optionChecks(definition, options),
    check(`${name}: what it packs comes back in shape, in f32 and in bf16`, () =>
      each((weight, quantizer) => {
        using packed = quantizer.quantize(weight)
        expectKept(sameShape(packed.shape, weight.shape), () => ({
          expected: `the packed weight says that its shape is ${weight.shape.join(', ')}`,
          got: packed.shape.join(', '),
          lookAt: `quantize() of ${name}: shape is that of the weight, not of the packed bytes`,
        }))
        for (const dtype of ['f32', 'bf16'] as const) {
          const back = quantizer.dequantize(packed, dtype)
          expectKept(sameShape(back.shape, weight.shape) && back.dtype === dtype, () => ({
            expected: `a tensor ${tensorText('', weight).trim().replace('f32', dtype)}`,
            got: tensorText('', back).trim(),
            lookAt: `dequantize() of ${name}: shape and dtype that were asked for`,
          }))
        }
        const usual = quantizer.dequantize(packed)
        expectKept(usual.dtype === 'f32', () => ({
          expected: 'f32 when no dtype is asked for',
          got: usual.dtype,
          lookAt: `dequantize() of ${name}`,
        }))
      }),
    ),
    check(`${name}: loses no more than ${error} of normal numbers`, () =>
      each((weight, quantizer) => {
        using packed = quantizer.quantize(weight)
        const lost = shareLost(quantizer.dequantize(packed).toArray(), weight.toArray())
        expectKept(lost <= error, () => ({
          expected: `√(Σ(x − x̂)² / Σx²) ≤ ${error}`,
          got: String(lost),
          lookAt: `quantize() and dequantize() of ${name}: scales, order of the packed elements, rounding`,
        }))
      }),
    ),
    check(`${name}: takes bf16 weights, zeros and weights of very different size`, () =>
      each((weight, quantizer) => {
        const lookAt = `quantize() of ${name}: a division by the scale of a block of zeros; numbers far from 1`
        const tried = (values: ArrayLike<number>, dtype: 'f32' | 'bf16'): Float32Array => {
          const given = tensor(values, { shape: weight.shape, dtype, device })
          using packed = quantizer.quantize(given)
          return quantizer.dequantize(packed).toArray()
        }
        const usual = weight.toArray()
        const lost = shareLost(tried(usual, 'bf16'), usual)
        expectKept(lost <= error + 0.01, () => ({
          expected: `bf16 weights lose ≤ ${error}`,
          got: String(lost),
          lookAt,
        }))
        const zeros = tried(new Float32Array(usual.length), 'f32')
        const wrong = zeros.find((value) => value !== 0)
        expectKept(wrong === undefined, () => ({ expected: 'zeros from zeros', got: String(wrong), lookAt }))
        for (const size of [1e-4, 1e4]) {
          const sized = usual.map((value) => value * size)
          const share = shareLost(tried(sized, 'f32'), sized)
          expectKept(share <= error + 0.01, () => ({
            expected: `weights around ${size} lose ≤ ${error}`,
            got: String(share),
            lookAt,
          }))
        }
      }),
    ),
    check(`${name}: the same weight gives the same bits, and is left as it was`, () =>
      each((weight, quantizer) => {
        const before = bytesOf(weight)
        using first = quantizer.quantize(weight)
        using second = make().quantize(weight)
        const lookAt = `quantize() of ${name}: no state, no Math.random(), and no writing into the weight`
        const bits = (packed: QuantizedTensor): Map<string, Uint8Array> =>
          new Map([['the dequantized weight', bytesOf(quantizer.dequantize(packed))]])
        expectSameBits('a second time', bits(second), bits(first), lookAt)
        expectSameBits(
          'the weight afterwards',
          new Map([['the weight', bytesOf(weight)]]),
          new Map([['the weight', before]]),
          lookAt,
        )
      }),
    ),
    check(`${name}: is smaller than f32, says by how much, and leaves nothing`, () => {
      for (const shape of shapes) {
        expectNothingLeft(
          device,
          `[Symbol.dispose]() of what ${name} packs, and temporaries of quantize()`,
          () => {
            using _scope = tensorScope()
            const weight = weightOf(shape, device)
            const packed = make().quantize(weight)
            const { bytes } = packed
            expectKept(bytes > 0 && bytes < weight.bytes, () => ({
              expected: `bytes of its own above 0 and below the ${weight.bytes} of f32`,
              got: String(bytes),
              lookAt: `bytes of what ${name} packs`,
            }))
            packed[Symbol.dispose]()
          },
        )
        // Without a scope: whatever is kept is the packed weight's own.
        const weight = weightOf(shape, device)
        const quantizer = make()
        try {
          expectNothingLeft(device, `quantize() of ${name}: temporaries belong into scoped(() => …)`, () => {
            quantizer.quantize(weight)[Symbol.dispose]()
          })
        } finally {
          weight.dispose()
        }
      }
    }),
    ...onDevices(devices, `${name}: gives what the reference gives`, (other) => {
      const on = (one: Device): Float32Array[] => {
        const results: Float32Array[] = []
        each((weight, quantizer) => {
          using packed = quantizer.quantize(weight)
          results.push(quantizer.dequantize(packed).toArray())
        }, one)
        return results
      }
      const expected = on(referenceDevice)
      for (const [i, got] of on(other).entries())
        expectClose('the dequantized weight of the reference', got, expected[i], {
          tolerance: 1e-5,
          lookAt: `${name}: numbers that the host computes must be rounded as the ops do; and the device of the weight`,
        })
    }),
    check(`${name}: a model is packed by it while it is loaded, and trains an adapter`, () => {
      const quantizer = make()
      using plain = tinyModel({ device })
      using model = tinyModel({ device, pack: packLayers(quantizer, 'f32') })
      const lookAt = `quantize() of ${name} on weights of 16 to 24 rows and columns`
      const lost = shareLost(logitsOf(model), logitsOf(plain))
      expectKept(lost > 0 && lost < 1.5, () => ({
        expected: 'logits near those of the model that is not packed, and not equal',
        got: `${lost} of them lost`,
        lookAt,
      }))
      using adapter = attachLora(model, LORA)
      for (const [what, values] of lossAndGradients({ model, adapter })) {
        const isFinite = values.length > 0 && values.every((value) => Number.isFinite(value))
        if (!isFinite) throw new Broken({ expected: `a finite ${what}`, got: String(values), lookAt })
      }
    }),
  ]
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const LORA = {
  rank: 2,
  alpha: 4,
  targetModules: 'all-linear',
} as const

function weightOf(shape: Shape, device: Device): Tensor {
  const random = createRandom(5, `weight/${shape.join('x')}`)
  const values = Float32Array.from({ length: sizeOf(shape) }, () => random.normal())
  return tensor(values, { shape, device })
}

/** √(Σ(x − x̂)² / Σx²) */
function shareLost(got: Float32Array, expected: Float32Array): number {
  if (got.length !== expected.length) return Infinity
  let [lost, all] = [0, 0]
  for (const [i, value] of expected.entries()) {
    lost += (value - got[i]) ** 2
    all += value ** 2
  }
  return Math.sqrt(lost / all)
}
