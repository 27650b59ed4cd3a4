/**
 * A monitor: at the end it writes the mean loss of all steps to a file, whatever happened in between.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { defineOptions, definePlugin, type Plugin, jsonField, type MonitorDefinition, optional, text } from 'tritune/core'

const meanLoss: MonitorDefinition<{ readonly file: string }> = {
  name: 'mean-loss',
  options: defineOptions({ file: optional(text(), 'mean-loss.txt') }),
  create({ file }, { outputDir }) {
    let sum = 0
    let steps = 0
    return {
      onEvent(event) {
        if (event.type === 'step') {
          sum += event.report.loss
          steps++
        }
        if (event.type === 'end') writeFileSync(join(outputDir, file), `${sum / steps} over ${steps} steps\n`)
      },
      saveState: () => ({ sum, steps }),
      loadState(state) {
        sum = Number(jsonField(state, 'sum'))
        steps = Number(jsonField(state, 'steps'))
      },
    }
  },
}

export const plugin: Plugin = definePlugin({ name: 'mean-loss', provides: { monitor: { 'mean-loss': meanLoss } } })
