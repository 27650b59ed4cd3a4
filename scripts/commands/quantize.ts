/**
 * Packs the linear layers of a model into 8, 4 or 2 bits and writes a folder that transformers loads. Thin: see plugins/qlora and
 * plugins/bitnet.
 */
import { TrituneError } from '../../core/errors.ts'
import { invocation } from '../../core/invocation.ts'
import {
  ABOVE_0,
  type Command,
  deviceOption,
  dtypeOption,
  expectNew,
  FROM_0,
  INTEGER_FROM_1,
  INTEGER_FROM_2,
  numberOption,
} from '../_cli.ts'
import type { Calibration } from './bodies/quantize.ts'
import { ensureInstalled } from '../_setup.ts'

const KINDS = ['nf4', 'fp4', 'int8', 'bitnet'] as const
const CLASSES = ['autobitlinear', 'bitlinear'] as const

const help =
  (): string => `Pack a model into 4 or 8 bits, as bitsandbytes does, or into −1, 0 and 1, as BitNet.

  ${invocation('quantize')} <model> <output folder> [options]

  <model>               a hub name, a folder or a .gguf file
  --to <kind>           nf4 (default), fp4, int8, or bitnet: for models that were trained as one
  --block <n>           of nf4 and fp4: numbers that share a scale, 32 to 4096, default 64
  --plain-scales        of nf4 and fp4: without double quantization
  --calibrate <data>    of nf4 and fp4: rounds by what the texts of this file send into each layer (GPTQ), and loses less
  --rows <n>            with --calibrate: texts at most, default 128
  --length <n>          with --calibrate: tokens of a text at most, default 256
  --threshold <x>       of int8: columns from this magnitude on are not rounded, default 6
  --linear-class <one>  of bitnet, in transformers: autobitlinear (default) or bitlinear
  --skip <module>       a module that stays as it is; may be repeated
  --dtype <f32|bf16>    of what is not packed; default: as the model is stored, f16 as bf16 (f32 for .gguf)
  --device <name>       cpu (default), auto, cuda, cuda:<number>
  --max-shard <GB>      size of a file, default 5
  --offline             use the local cache of the hub only
  --help                this text
`

const OPTIONS = {
  to: { type: 'string' },
  block: { type: 'string' },
  'plain-scales': { type: 'boolean' },
  calibrate: { type: 'string' },
  rows: { type: 'string' },
  length: { type: 'string' },
  threshold: { type: 'string' },
  'linear-class': { type: 'string' },
  skip: { type: 'string', multiple: true },
  dtype: { type: 'string' },
  device: { type: 'string' },
  'max-shard': { type: 'string' },
  offline: { type: 'boolean' },
} as const

export const quantize: Command<typeof OPTIONS> = {
  help,
  positionals: { min: 2, max: 2 },
  output: 'report',
  options: OPTIONS,
  choices: { to: KINDS, 'linear-class': CLASSES },
  async run({ positionals: [ref, output], values }) {
    const { skip = [], offline } = values
    const kind = KINDS.find((one) => one === (values.to ?? 'nf4'))
    if (kind === undefined)
      throw new TrituneError('E_USAGE', `--to: expected one of ${KINDS.join(', ')}, got "${values.to}"`)
    const dtype = dtypeOption(values.dtype)
    expectFits(kind, values)
    const linearClass = CLASSES.find((one) => one === values['linear-class'])
    if (values['linear-class'] !== undefined && linearClass === undefined)
      throw new TrituneError(
        'E_USAGE',
        `--linear-class: expected ${CLASSES.join(' or ')}, got "${values['linear-class']}"`,
      )
    const maxShardBytes = 1e9 * numberOption('max-shard', values['max-shard'], 5, ABOVE_0)
    const block = numberOption('block', values.block, 64)
    if (!Number.isInteger(Math.log2(block)) || block < 32 || block > 4096)
      throw new TrituneError(
        'E_USAGE',
        `--block: expected a power of two from 32 to 4096, got "${values.block}"`,
      )
    const threshold = numberOption('threshold', values.threshold, 6, FROM_0)
    const form =
      kind === 'nf4' || kind === 'fp4' ? { kind, block, doubleQuant: !values['plain-scales'] } : null
    const calibration = form && calibrationOf(values, form)
    if (skip.includes('')) throw new TrituneError('E_USAGE', '--skip: expected the name of a module, got ""')
    expectNew(output)
    const device = deviceOption(values.device, 'cpu')
    await ensureInstalled()
    const { quantizeCommand } = await import('./bodies/quantize.ts')
    const fourBit = { block, double_quant: !values['plain-scales'] }
    const options = kind === 'bitnet' ? {} : kind === 'int8' ? { threshold } : fourBit
    await quantizeCommand({
      ref,
      output,
      kind,
      options,
      calibration,
      ...(linearClass ? { linearClass } : {}),
      skip,
      dtype,
      device,
      maxShardBytes,
      offline,
    })
  },
}

/** What weights are rounded by; null: each to its nearest code. */
function calibrationOf(
  { calibrate: path, rows, length }: Readonly<Partial<Record<'calibrate' | 'rows' | 'length', string>>>,
  form: Calibration['form'],
): Calibration | null {
  if (path === undefined) {
    if (rows !== undefined || length !== undefined)
      throw new TrituneError('E_USAGE', `--${rows === undefined ? 'length' : 'rows'} belongs to --calibrate`)
    return null
  }
  return {
    path,
    rows: numberOption('rows', rows, 128, INTEGER_FROM_1),
    length: numberOption('length', length, 256, INTEGER_FROM_2),
    form,
  }
}

/** Options of one kind that are given to another. */
function expectFits(kind: (typeof KINDS)[number], values: Readonly<Record<string, unknown>>): void {
  const owners = {
    block: ['nf4', 'fp4'],
    'plain-scales': ['nf4', 'fp4'],
    calibrate: ['nf4', 'fp4'],
    rows: ['nf4', 'fp4'],
    length: ['nf4', 'fp4'],
    threshold: ['int8'],
    'linear-class': ['bitnet'],
  }
  for (const [name, kinds] of Object.entries(owners))
    if (values[name] !== undefined && !kinds.includes(kind))
      throw new TrituneError('E_USAGE', `--${name} is for ${kinds.join(' and ')}`)
}
