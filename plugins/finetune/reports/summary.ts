/**
 * The lines that a run prints before its first step.
 */
import { givenOptions } from '../model/adapter-options.ts'
import { estimateMemory, estimateRun } from '../memory/estimate.ts'
import type { MemoryParts } from '../memory/memory-parts.ts'
import { type Monitor, showValue } from '../../../core/mod.ts'
import { countActiveWeights } from '../model/active-weights.ts'
import { countWeights } from '../model/count-weights.ts'
import { formatBytes, formatCount, formatDuration } from './format.ts'
import type { DividedOptimizer } from '../parallel/divided-optimizer.ts'
import { whatHelps } from '../memory/out-of-memory.ts'
import { describeOffloading } from '../memory/activation-offloading.ts'
import type { Run } from '../run.ts'
import { untrainedLines } from '../../data/mod.ts'

/**
 * Writes the summary when the run starts: a monitor.
 *
 * @example
 * ```ts
 * import { readFileSync } from 'node:fs'
 * import { createSummary, prepareRun, readFinetuneConfig, train } from 'tritune/plugins/finetune'
 *
 * using run = await prepareRun(readFinetuneConfig(readFileSync('my.yaml', 'utf8'), 'my.yaml'))
 * await train(run, { monitors: [createSummary({ write: (text) => process.stdout.write(text) })] })
 * ```
 */
export function createSummary({ write }: { write(text: string): void }): Monitor {
  return {
    onEvent(event) {
      if (event.type === 'start') write(event.summary.map((line) => `${line}\n`).join(''))
    },
  }
}

/** The lines that describe a run before its first step: model, device, adapter, data, steps, memory and time, notes. */
export function summarize(run: Run): string[] {
  const { model, config, data, plan, parameters, adapter, device, dtype, noGpu, notes } = run
  const total = countWeights(model)
  const active = countActiveWeights(model)
  const trainable = sum([...parameters.values()].map(({ size }) => size))
  const all = adapter ? total + trainable : total
  const { train, validation } = data.report
  const { seconds } = estimateRun(run)
  const { memory, parts, note: aboutMemory } = neededMemory(run)
  const dropped = data.report.tooLong + data.report.tooShort
  return [
    `model      ${config.base_model} (${model.info.type}, ${formatCount(total)} parameters, ${active === total ? '' : `${formatCount(active)} of them for each token, `}${dtype})`,
    `device     ${device.description}${noGpu === null ? '' : `; no GPU: ${noGpu}`}`,
    `adapter    ${describeAdapter(run)}: ${formatCount(trainable)} trainable (${((100 * trainable) / all).toFixed(2)} % of ${formatCount(all)})`,
    ...(adapter && adapter.match.matched.length > 0
      ? [`targets    ${describeTargets(adapter.match.counts)}`]
      : []),
    ...partsLines(run),
    `data       ${formatCount(train.examples)} example${train.examples === 1 ? '' : 's'}, ${formatCount(train.tokens)} tokens, ${formatCount(train.trainedTokens)} trained; validation ${formatCount(validation.examples)}${dropped > 0 ? `; ${dropped} dropped by length` : ''}${data.report.truncated > 0 ? `; ${data.report.truncated} truncated` : ''}`,
    `steps      ${plan.totalSteps} (${plan.epochs.toFixed(plan.epochs % 1 === 0 ? 0 : 2)} epoch${plan.epochs === 1 ? '' : 's'} of ${plan.stepsPerEpoch}), micro-batch ${config.micro_batch_size} × ${config.gradient_accumulation_steps}, sequence ${config.sequence_len}${config.sample_packing ? ', packed' : ''}, warm-up ${plan.warmupSteps}`,
    `memory     ${run.memory.isLean ? 'lean' : 'fast'}: ${run.memory.reason}${describeOffloading(run)}`,
    `estimate   ${formatBytes(memory)} of memory${device.capacity ? ` of ${formatBytes(device.capacity)}` : ''} (${describeParts(parts)}), ${formatDuration(seconds)}`,
    ...[
      ...notes,
      ...aboutMemory,
      ...tooLarge(run, memory),
      ...untrainedLines(data.report.untrained),
      ...data.report.notes,
    ].map((note) => `note       ${note}`),
  ]
}

interface NeededMemory {
  readonly memory: number
  readonly parts: MemoryParts
  readonly note: readonly string[]
}

/** As `estimate` tells it, by a step on shapes; by a formula where there can be none. */
function neededMemory(run: Run): NeededMemory {
  try {
    const found = run.rehearse()
    if (found) return { ...found, note: [] }
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error)
    return { ...byFormula(run), note: [`memory is estimated roughly, without a step on shapes: ${reason}`] }
  }
  return { ...byFormula(run), note: [] }
}

function byFormula(run: Run): Pick<NeededMemory, 'memory' | 'parts'> {
  const parts = estimateMemory(run)
  return { parts, memory: sum(Object.values(parts)) }
}

/** How many layers each pattern matched; whole paths, of which there can be thousands, by their last names. */
function describeTargets(counts: ReadonlyMap<string, number>): string {
  const shown = new Map<string, number>()
  for (const [pattern, count] of counts) {
    const name = /\.\d+\./.test(pattern) ? pattern.slice(pattern.lastIndexOf('.') + 1) : pattern
    shown.set(name, (shown.get(name) ?? 0) + count)
  }
  return [...shown].map(([name, count]) => `${name} ×${count}`).join(', ')
}

/** What the file asks for by name, where it is not what every run has; and the plugins that it loaded. */
function partsLines(run: Run): string[] {
  const { plugins, objective, strategies, monitors, config, rollouts, world } = run
  const lines: [string, readonly string[]][] = [
    ['processes', world ? [`${world.size} (${world.description})`] : []],
    ['sharded', run.sharded ? [describeSharded(run.sharded)] : []],
    ['zero', run.divided ? [describeDivided(run.divided)] : []],
    ['quantizer', config.quantizer ? [config.quantizer.name] : []],
    ['rewards', rollouts ? [rollouts.summary] : []],
    ['objective', objective.name === 'cross_entropy' ? [] : [objective.name]],
    ['optimizer', optimizerLine(run)],
    ['transforms', config.transforms.map(({ name }) => name)],
    ['strategy', strategies.map(({ name }) => name)],
    ['sampler', config.sampler ? [config.sampler.name] : []],
    ['monitors', monitors.map(({ name }) => name)],
    [
      'plugins',
      plugins.map(({ plugin, version, place }) => `${plugin.name} ${version ?? '(no version)'} (${place})`),
    ],
  ]
  return lines.flatMap(([name, values]) =>
    values.length > 0 ? [`${name.padEnd(10)} ${values.join(', ')}`] : [],
  )
}

function describeSharded({ whole, resident }: NonNullable<Run['sharded']>): string {
  return `${formatBytes(whole)} of the base in parts: ${formatBytes(resident)} on each process, two whole blocks among them`
}

function describeDivided({ weights: { stretch } }: DividedOptimizer): string {
  return `stage 1, the state of the optimizer in ${stretch === null ? 'whole tensors' : 'equal parts'}`
}

function optimizerLine({ config: { optimizer }, paged }: Run): string[] {
  if (paged) return [`${optimizer}, paged: ${formatBytes(paged.bytes)} of its state lie in a file`]
  return optimizer.startsWith('adamw') ? [] : [optimizer]
}

function tooLarge(run: Run, memory: number): string[] {
  const { capacity } = run.device
  return capacity === undefined || memory <= capacity
    ? []
    : [`that is more than ${run.device.name} has: ${whatHelps(run)}`]
}

function describeParts({
  program,
  model,
  adapter,
  gradients,
  optimizer,
  strategies,
  activations,
}: MemoryParts): string {
  const state = formatBytes(adapter + gradients + optimizer)
  const own = program > 0 ? `program ${formatBytes(program)}, ` : ''
  const copies = strategies > 0 ? `strategies ${formatBytes(strategies)}, ` : ''
  return `${own}model ${formatBytes(model)}, ${adapter > 0 ? 'adapter, ' : ''}gradients and optimizer ${state}, ${copies}activations ${formatBytes(activations)}`
}

function describeAdapter({ adapter, config }: Run): string {
  if (!adapter) return 'none, all weights are trained'
  if (adapter.kind === 'lora') {
    const name = adapter.config['use_dora'] === true ? 'dora' : 'lora'
    return `${name} r ${config.lora_r} alpha ${config.lora_alpha}`
  }
  const options = Object.entries(givenOptions(config)).map(([key, value]) => ` ${key} ${showValue(value)}`)
  return `${adapter.kind}${options.join('')}`
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0)
}
