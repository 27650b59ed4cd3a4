/**
 * How long a step of the example takes: the middle one of those after the first, which warms up.
 */
import { plugin } from '../../adapter/src/mod.ts'
import { trainExample } from '../test/train-example.ts'

const { seconds } = await trainExample(plugin)
const sorted = seconds.slice(1).toSorted((a, b) => a - b)
const middle = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
console.log(
  `${plugin.name}: ${(1000 * middle).toFixed(1)} ms a step (${sorted.length} steps of example/finetune.yaml)`,
)
