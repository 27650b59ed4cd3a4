/**
 * One process of the job that measures a link: `<largest size in bytes> <seconds>`; the first one prints the times of sums as JSON.
 */
import { joinWorld } from '../../../plugins/distributed/mod.ts'

const [largest = 16e6, seconds = 1] = process.argv.slice(2).map(Number)

const world = joinWorld()
if (world === null) throw new Error('mpirun starts this')
const times: { bytes: number; seconds: number }[] = []
for (let bytes = 4096; bytes <= largest; bytes *= 16) {
  const values = new Float32Array(bytes / 4).fill(1)
  const one = (): number => {
    const started = performance.now()
    world.sum(values)
    return (performance.now() - started) / 1000
  }
  one()
  // As often on all of them: the first one says how often.
  const [repeat] = world.gather(String(Math.min(200, Math.max(3, Math.ceil(seconds / one())))))
  const measured = Array.from({ length: Number(repeat) }, one).toSorted((a, b) => a - b)
  times.push({ bytes, seconds: measured[measured.length >> 1] })
}
if (world.rank === 0) console.log(JSON.stringify({ size: world.size, library: world.description, times }))
world[Symbol.dispose]()
