/**
 * my-monitor: a CSV file with a line for each step, which any spreadsheet opens.
 *
 * It watches and changes nothing. After a resume the file goes on where the checkpoint was.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  defineOptions,
  definePlugin,
  jsonField,
  type MonitorDefinition,
  optional,
  type Plugin,
  text,
} from 'tritune/core'

export interface MyMonitorOptions {
  /** In `output_dir`. */
  readonly file: string
}

const HEADER = 'step,loss,learning_rate,grad_norm,seconds'

export const myMonitor: MonitorDefinition<MyMonitorOptions> = {
  name: 'my-monitor',
  options: defineOptions({ file: optional(text(), 'my-monitor.csv') }),
  create({ file }, { outputDir }) {
    let lines: string[] = []
    return {
      onEvent(event) {
        if (event.type !== 'step') return
        const { step, loss, learningRate, gradNorm, seconds } = event.report
        lines.push([step, loss, learningRate, gradNorm, seconds.toFixed(3)].join(','))
        mkdirSync(outputDir, { recursive: true })
        writeFileSync(join(outputDir, file), `${[HEADER, ...lines].join('\n')}\n`)
      },
      saveState: () => ({ lines }),
      loadState(state) {
        const saved = jsonField(state, 'lines')
        lines = Array.isArray(saved) ? saved.map(String) : []
      },
    }
  },
}

export const plugin: Plugin = definePlugin({
  name: 'my-monitor',
  provides: { monitor: { 'my-monitor': myMonitor } },
})
