/**
 * `bun run capacity`: how many items an item memory of trit vectors holds, measured and by theory; draws docs/ternary-capacity.svg.
 */
import { writeFileAtomic } from '../core/files/atomic.ts'
import { openCpu } from '../plugins/cpu/mod.ts'
import { INTEGER_FROM_1, numberOption, runCommand } from './_cli.ts'
import { drawRecall, type RecallPanel } from './capacity/draw.ts'
import { measureRecall } from './capacity/measure.ts'
import { capacityOf, recallOf } from './capacity/theory.ts'
import { ROOT } from './_setup.ts'
import { out } from './terminal/streams.ts'

const DIMS = [64, 128]
const NOISES = [0, 0.1, 0.2, 0.3, 0.4]
const LOADS = [10, 30, 100, 300, 1000, 3000, 10_000]
/** More than that is not looked for. */
const MOST = 1e9

await runCommand({
  help: `Draw how often an item memory of trit vectors finds the right item, by its load, the noise and the dimensions.

  bun run capacity [options]

  --out <file>      the SVG; default: docs/ternary-capacity.svg
  --queries <n>     for each dot; default 2000
  --seed <n>        default 1
  --help            this text
`,
  positionals: { min: 0, max: 0 },
  output: 'report',
  options: { out: { type: 'string' }, queries: { type: 'string' }, seed: { type: 'string' } },
  run({ values }) {
    const queries = numberOption('queries', values.queries, 2000, INTEGER_FROM_1)
    const seed = numberOption('seed', values.seed, 1, INTEGER_FROM_1)
    const device = openCpu()
    const panels = DIMS.map((dims): RecallPanel => {
      const curves = NOISES.map((noise) => {
        const shares = measureRecall({ dims, noise, loads: LOADS, queries, seed, device })
        const measured = LOADS.map((items, i) => ({ items, recall: shares[i] }))
        const theory = LOADS.map((items) => ({ items, recall: recallOf({ dims, items, noise }) }))
        const capacity = capacityOf(dims, noise, 0.99, MOST)
        out.write(
          `${dims} dimensions, noise ${noise}: measured ${shares.map((share) => share.toFixed(3)).join(' ')}, theory ${theory.map(({ recall }) => recall.toFixed(3)).join(' ')}; 99 % of up to ${capacity >= MOST ? 'more than ' : ''}${capacity}\n`,
        )
        return { noise, measured, theory }
      })
      return { dims, curves }
    })
    const file = values.out ?? `${ROOT}docs/ternary-capacity.svg`
    const footer = `Lines: exact theory. Dots: ${queries} queries each, seed ${seed}. bun run capacity`
    writeFileAtomic(file, drawRecall(panels, 'Recall of an item memory against its load', footer))
  },
})
