/**
 * The progress of a run on a terminal: one line that is rewritten, or plain lines when the output is a file or a pipe.
 */
import type { ControlEvent, EvaluationEvent, Monitor, RunEvent, StepReport } from '../../../core/mod.ts'
import { fitLine, formatDuration } from './format.ts'

/** What `createProgress()` writes to, and how often. */
export interface ProgressOptions {
  readonly loggingSteps: number
  /** A terminal, on which the line is rewritten. */
  readonly terminal: boolean
  /** Its width now; default 80. */
  columns?(): number
  write(text: string): void
}

/**
 * A monitor for people: step, loss, rate and time left, on one line that is rewritten or on lines of their own.
 *
 * @example
 * ```ts
 * import { readFileSync } from 'node:fs'
 * import { createProgress, prepareRun, readFinetuneConfig, train } from 'tritune/plugins/finetune'
 *
 * using run = await prepareRun(readFinetuneConfig(readFileSync('my.yaml', 'utf8'), 'my.yaml'))
 * const write = (text: string): boolean => process.stdout.write(text)
 * await train(run, { monitors: [createProgress({ loggingSteps: 1, terminal: false, write })] })
 * ```
 */
export function createProgress(options: ProgressOptions): Monitor {
  return { onEvent: progressLines(options) }
}

function progressLines({
  loggingSteps,
  terminal,
  columns = () => 80,
  write,
}: ProgressOptions): (event: RunEvent) => void {
  let open = false
  let rate = 0
  const line = (text: string): void => {
    write(`${open ? '\r\u001b[K' : ''}${text}\n`)
    open = false
  }
  return (event) => {
    switch (event.type) {
      case 'step': {
        const { report } = event
        // Smoothed, so that one slow step does not shake the estimate.
        rate = rate === 0 ? report.seconds : 0.9 * rate + 0.1 * report.seconds
        const parts = stepParts(report, rate)
        const last = report.step === report.totalSteps
        if (terminal && !last) {
          // A line that the terminal breaks could not be rewritten: one row a step would be left.
          write(`${open ? '\r\u001b[K' : ''}${fitLine(parts, columns(), { drop: LESS_WANTED })}`)
          open = true
        } else if (terminal) line(fitLine(parts, columns(), { drop: LESS_WANTED }))
        else if (last || report.step === 1 || report.step % loggingSteps === 0) line(parts.join('  '))
        return
      }
      case 'eval':
        line(
          `  evaluation at step ${event.step}: loss ${event.loss.toFixed(4)}${evaluated(event)}${event.best ? ' (best)' : ''}`,
        )
        return
      case 'save':
        line(`  saved ${event.folder}`)
        return
      case 'note':
        line(`  ${event.text}`)
        return
      case 'alert':
      case 'advice':
        line(`  ${event.severity === 'info' ? '' : `${event.severity}: `}${event.text}`)
        return
      case 'sample':
        line(`  sample at step ${event.step}: ${oneLine(event.prompt)} → ${oneLine(event.completion)}`)
        return
      case 'control':
        line(`  ${controlLine(event)}`)
        return
      case 'start':
      case 'samples':
      case 'histograms':
      case 'end':
      case 'error':
        return
      default:
        event satisfies never
    }
  }
}

/** What else an evaluation found: perplexity, or how often the better answer is preferred. */
function evaluated({ perplexity, metrics = {} }: EvaluationEvent): string {
  if (perplexity !== null) return `, perplexity ${perplexity.toFixed(2)}`
  const accuracy = metrics['rewards/accuracies'] ?? metrics.accuracy
  return accuracy === undefined ? '' : `, ${(100 * accuracy).toFixed(0)} % preferred rightly`
}

/** What somebody asked of the run, and what became of it. */
function controlLine({ action, ok, reason, value }: ControlEvent): string {
  const asked = `${action.replaceAll('_', ' ')}${value === undefined ? '' : ` ${value}`}`
  return ok ? `asked from outside: ${asked}` : `asked from outside and refused: ${asked}: ${reason ?? ''}`
}

/** Texts of a model have any characters: none does anything to the terminal. */
function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\s]+/gu, ' ').trim()
}

/** Positions in `stepParts()` that a narrow terminal leaves out: learning rate, speed, time left. */
const LESS_WANTED = [2, 3, 4]

function stepParts(
  { step, totalSteps, loss, learningRate, tokens, seconds, metrics: { reward } }: StepReport,
  rate: number,
): string[] {
  const width = String(totalSteps).length
  const left = (totalSteps - step) * rate
  return [
    `step ${String(step).padStart(width)}/${totalSteps}`,
    `loss ${loss.toFixed(4)}${reward === undefined ? '' : `  reward ${reward.toFixed(3)}`}`,
    `lr ${learningRate.toExponential(2)}`,
    `${Math.round(tokens / seconds)} tokens/s`,
    step === totalSteps ? 'done' : `${formatDuration(left)} left`,
  ]
}
