/**
 * The command of a run as a program of a job, and a plugin whose objective gives NaN on one process.
 */
import { fileURLToPath } from 'node:url'

const at = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url))

/** `settings`: as `--set` has them, or other options. */
export function finetuneProgram(yaml: string, outputDir: string, settings: readonly string[]): string[] {
  const all = [`output_dir=${outputDir}`, ...settings]
  return [
    process.execPath,
    at('scripts/finetune.ts'),
    yaml,
    ...all.flatMap((set) => (set.startsWith('--') ? [set] : ['--set', set])),
  ]
}

/** A module whose objective `nan_on_second` has a loss, and only its gradient is NaN there. */
export function nanGradient(): string {
  return NAN_ON_SECOND.replace(
    '{ add, definePlugin, tensor }',
    '{ add, definePlugin, mul, reshape, sqrt, sum, zeros }',
  ).replace(
    /return \{ loss: add.*/,
    `if (rank !== '1') return { loss }
        const { weight } = all[0].layers.get('model.norm')
        const nothing = sqrt(sum(mul(weight, zeros(weight.shape, { device: weight.device }))))
        return { loss: add(loss, reshape(nothing, loss.shape)) }`,
  )
}

/** A module with the objective `nan_on_second`. */
export const NAN_ON_SECOND: string = `
import { crossEntropy } from '${at('plugins/finetune/mod.ts')}'
import { add, definePlugin, tensor } from '${at('core/mod.ts')}'

const rank = process.env.OMPI_COMM_WORLD_RANK ?? process.env.PMI_RANK
const nan = {
  ...crossEntropy,
  name: 'nan_on_second',
  create(options) {
    const inner = crossEntropy.create(options)
    return {
      ...inner,
      name: 'nan_on_second',
      loss(...all) {
        const { loss } = inner.loss(...all)
        return { loss: add(loss, tensor([rank === '1' ? NaN : 0], { shape: loss.shape, device: loss.device })) }
      },
    }
  },
}
export const planted = definePlugin({ name: 'nan', provides: { objective: { nan_on_second: nan } } })
`
