/**
 * The lines that a run prints before its first step.
 */
import { estimateRun } from './estimate.ts'
import { showValue } from '../../core/mod.ts'
import type { Run } from './prepare.ts'

export function summarize(run: Run): string[] {
  const { model, config, data, plan, parameters, adapter, device, dtype, notes } = run
  const total = sum([...model.weights.values()].map(({ size }) => size))
  const trainable = sum([...parameters.values()].map(({ size }) => size))
  const all = adapter ? total + trainable : total
  const { train, validation } = data.report
  const { memory, seconds } = estimateRun(run)
  const dropped = data.report.tooLong + data.report.tooShort
  return [
    `model      ${config.base_model} (${model.info.type}, ${formatCount(total)} parameters, ${dtype}) on ${device.description}`,
    `adapter    ${describeAdapter(run)}: ${formatCount(trainable)} trainable (${((100 * trainable) / all).toFixed(2)} % of ${formatCount(all)})`,
    ...(adapter
      ? [
          `targets    ${[...adapter.match.counts].map(([pattern, count]) => `${pattern} ×${count}`).join(', ')}`,
        ]
      : []),
    `data       ${formatCount(train.examples)} examples, ${formatCount(train.tokens)} tokens, ${formatCount(train.trainedTokens)} trained; validation ${formatCount(validation.examples)}${dropped > 0 ? `; ${dropped} dropped by length` : ''}${data.report.truncated > 0 ? `; ${data.report.truncated} truncated` : ''}`,
    `steps      ${plan.totalSteps} (${plan.epochs.toFixed(plan.epochs % 1 === 0 ? 0 : 2)} epoch${plan.epochs === 1 ? '' : 's'} of ${plan.stepsPerEpoch}), micro-batch ${config.micro_batch_size} × ${config.gradient_accumulation_steps}, sequence ${config.sequence_len}${config.sample_packing ? ', packed' : ''}, warm-up ${plan.warmupSteps}`,
    `estimate   ${formatBytes(memory)} of memory, ${formatDuration(seconds)}`,
    ...[...notes, ...data.report.notes].map((note) => `note       ${note}`),
  ]
}

function describeAdapter({ adapter, config }: Run): string {
  if (!adapter) return 'none, all weights are trained'
  if (adapter.kind === 'lora') return `lora r ${config.lora_r} alpha ${config.lora_alpha}`
  const options = Object.entries(config.adapter_options).map(([key, value]) => ` ${key} ${showValue(value)}`)
  return `${adapter.kind}${options.join('')}`
}

/** 1234 → 1.23 k */
export function formatCount(n: number): string {
  for (const [unit, size] of [
    ['G', 1e9],
    ['M', 1e6],
    ['k', 1e3],
  ] as const)
    if (n >= 10 * size || (n >= size && unit !== 'k')) return `${(n / size).toPrecision(3)} ${unit}`
  return String(n)
}

export function formatBytes(n: number): string {
  for (const [unit, size] of [
    ['GiB', 2 ** 30],
    ['MiB', 2 ** 20],
    ['KiB', 2 ** 10],
  ] as const)
    if (n >= size) return `${(n / size).toFixed(n >= 10 * size ? 0 : 1)} ${unit}`
  return `${n} B`
}

export function formatDuration(seconds: number): string {
  if (seconds < 1) return `${Math.max(1, Math.round(seconds * 1000))} ms`
  if (seconds < 90) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0)
}
