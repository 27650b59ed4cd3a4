/**
 * What push-runtimes.test.ts starts in each runtime: pushes a folder and tells what came of it, and the memory it took.
 */
import { pushFolder } from '../../../plugins/hub/mod.ts'

const [folder, repo, endpoint] = process.argv.slice(2)
const before = process.memoryUsage().rss
let peak = before
const timer = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 20)
const options = { endpoint, token: 'hf_writer', retries: 1, retryDelayMs: 1, card: '# card' }
const told = await pushFolder(folder, repo, options).then(
  ({ files }) => `pushed ${files.length}`,
  (error: unknown) => (error instanceof Error ? error.message : String(error)),
)
clearInterval(timer)
process.stdout.write(`${JSON.stringify({ told, grownMb: Math.round((peak - before) / 1e6) })}\n`)
