/**
 * The monitor `tensorboard`: every number of a run as event files below its folder, which TensorBoard opens: `tensorboard --logdir my-adapter`.
 */
import { join } from 'node:path'
import { defineOptions, type Histogram, type MonitorDefinition } from '../../../core/mod.ts'
import { scalarsOf, withGroup } from '../scalars.ts'
import { createEventFile, type EventFile, type EventHistogram } from './event-file.ts'

/** Below the folder of a run. */
export const TENSORBOARD_FOLDER = 'tensorboard'

/** Scalars of steps and evaluations, samples as text; `use_tensorboard: true`, or `monitors: [tensorboard]`. */
export const tensorboard: MonitorDefinition<object> = {
  name: 'tensorboard',
  options: defineOptions({}),
  create(_, { outputDir }) {
    let file: EventFile | null = null
    return {
      onEvent(event) {
        if (event.type === 'start') {
          file = createEventFile(join(outputDir, TENSORBOARD_FOLDER), event.step)
          return file.text(event.step, 'run', markdown(event.summary.join('\n')))
        }
        if (event.type === 'sample')
          return file?.text(
            event.step,
            'sample',
            `${markdown(event.prompt)}\n\n→\n\n${markdown(event.completion)}`,
          )
        if (event.type === 'histograms')
          return event.histograms.forEach((one) =>
            file?.histogram(event.step, `${one.of}s/${one.name}`, ofTensorBoard(one)),
          )
        const scalars = scalarsOf(event)
        if (scalars === null) return
        const named = Object.entries(scalars.values).map(([name, value]) => [withGroup(name), value])
        file?.scalars(scalars.step, Object.fromEntries(named))
      },
    }
  },
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Sums are made of mean and deviation. */
function ofTensorBoard({ min, max, mean, std, edges, counts }: Histogram): EventHistogram {
  const count = counts.reduce((all, one) => all + one, 0)
  return {
    min,
    max,
    count,
    sum: mean * count,
    sumOfSquares: (std ** 2 + mean ** 2) * count,
    limits: edges.slice(1),
    counts,
  }
}

/** As it stands: the text of TensorBoard is Markdown. */
function markdown(text: string): string {
  return text
    .split('\n')
    .map((line) => `    ${line}`)
    .join('\n')
}
