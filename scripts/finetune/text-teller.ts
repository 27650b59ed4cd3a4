/**
 * A run told to people: the summary, a line of progress, what to type next.
 */
import { colourTokens } from '../../plugins/data/mod.ts'
import {
  createProgress,
  createSummary,
  fitLine,
  formatBytes,
  type Run,
  summarize,
} from '../../plugins/finetune/mod.ts'
import { err, out } from '../terminal/streams.ts'
import type { Teller } from './teller.ts'

export function createTextTeller(): Teller {
  const { write, terminal, columns } = out
  return {
    notice: (text) => err.write(`${text}\n`),
    download: downloadProgress(),
    tokenize: tokenizeProgress(),
    remark: (text) => write(`${text}\n`),
    plan(run) {
      for (const line of summarize(run)) write(`${line}\n`)
      showExamples(run)
    },
    monitors: ({ config: { logging_steps: loggingSteps } }) => [
      createSummary({ write }),
      createProgress({ loggingSteps, terminal, columns, write }),
    ],
    end(done) {
      if (done === null) return
      const { run, result, command } = done
      if (result.stopped) write(`stopped at step ${result.steps}; resume with:\n  ${command}\n`)
      else
        write(
          `${run.adapter ? 'adapter' : 'model'} in ${result.outputDir} (${describeMemory(run)})${run.model.scoreHead ? '' : `\ntry it:\n  ${command}`}\n`,
        )
    },
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function describeMemory({ device }: Run): string {
  const { live, pooled, peak } = device.memory()
  if (device.kind !== 'cuda') return `peak memory ${formatBytes(peak)} of tensors`
  return `GPU memory: peak ${formatBytes(peak)}, now ${formatBytes(live)} in use and ${formatBytes(pooled)} pooled`
}

function showExamples(run: Run): void {
  const examples = run.data.train.slice(0, 3)
  const { colour } = out
  out.write(
    colour
      ? '\nexamples: trained tokens are coloured, masked ones are grey\n'
      : '\nexamples: trained tokens stand in «…»\n',
  )
  for (const example of examples) {
    out.write(
      `\n${example.source.file}:${example.source.line}\n${colourTokens(example, run.tokenizer, { colour })}\n`,
    )
  }
}

function downloadProgress(): (progress: { file: string; received: number; total: number }) => void {
  let last = ''
  return ({ file, received, total }) => {
    const percent = total > 0 ? Math.floor((100 * received) / total) : 100
    const { terminal } = err
    const text = `downloading ${file} ${terminal || percent === 100 ? `${percent} %` : ''}`
    if (text === last || (!terminal && percent < 100)) return
    last = text
    const line = fitLine(['downloading', file, `${percent} %`], err.columns(), { elide: 1 })
    err.write(terminal ? `\r\u001b[K${line}${percent === 100 ? '\n' : ''}` : `${text}\n`)
  }
}

/** A line that changes in place, where there is a terminal and enough to do. */
function tokenizeProgress(): Teller['tokenize'] {
  let last = ''
  return ({ dataset, records, done, total }) => {
    if (!err.terminal || total === 1) return
    const percent = Math.floor((100 * done) / total)
    const text = `${dataset} ${percent}`
    if (text === last) return
    last = text
    const line = fitLine(['tokenizing', dataset, `${percent} %`, `${records} records`], err.columns(), {
      elide: 1,
    })
    err.write(`\r\u001b[K${line}${done === total ? '\n' : ''}`)
  }
}
