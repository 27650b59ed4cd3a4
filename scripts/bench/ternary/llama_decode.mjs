/**
 * Greedy decoding by llama.cpp (node-llama-cpp), for `bench ternary` and `bench product`: `decode` on stdin gives one line of JSON with the seconds that it
 * took, `prompt <n>` those of a prompt of n tokens up to the first token behind it.
 *
 *   node scripts/bench/ternary/llama_decode.mjs <folder with node_modules> <model.gguf> <threads> <tokens>
 *
 * A plain Node program: the binding is no dependency of tritune.
 */
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { join } from 'node:path'

const [, , home, modelPath, threads, tokens] = process.argv
const entry = join(home, 'node_modules/node-llama-cpp/dist/index.js')
const { getLlama, LlamaLogLevel } = await import(pathToFileURL(entry).href)
const llama = await getLlama({
  gpu: false,
  build: 'never',
  logLevel: LlamaLogLevel.error,
  progressLogs: false,
  maxThreads: Number(threads),
})
const model = await llama.loadModel({ modelPath, gpuLayers: 0 })
const context = await model.createContext({ contextSize: 512, threads: Number(threads) })
const sequence = context.getSequence()

async function decode() {
  await sequence.clearHistory()
  let started = 0
  let made = 0
  for await (const _ of sequence.evaluate([1, 2, 3, 4], { temperature: 0, yieldEogToken: true })) {
    // What the prompt takes is not counted.
    if (made === 0) started = performance.now()
    if (made++ === Number(tokens)) break
  }
  return { seconds: (performance.now() - started) / 1000, made: made - 1 }
}

async function prompt(length) {
  await sequence.clearHistory()
  const ids = Array.from({ length }, (_, i) => (i * 37 + 5) % 40000)
  const started = performance.now()
  for await (const _ of sequence.evaluate(ids, { temperature: 0, yieldEogToken: true })) break
  return { seconds: (performance.now() - started) / 1000, made: length }
}

console.log(JSON.stringify({ ready: true }))
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'quit') break
  const [job, length] = line.split(' ')
  console.log(JSON.stringify(job === 'prompt' ? await prompt(Number(length)) : await decode()))
}
process.exit(0)
