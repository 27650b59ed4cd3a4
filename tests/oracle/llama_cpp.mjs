/**
 * What llama.cpp (node-llama-cpp) makes of GGUF files: logits of token ids, with or without a LoRA, and ids of texts.
 *
 *   node tests/oracle/llama_cpp.mjs <folder with node_modules> <jobs.json>
 *
 * jobs.json: [{ model, lora?, ids?, logits?, texts? }]. Logits are written as f32, (ids, vocabulary), to the file `logits`. Into
 * jobs.json.answers comes one JSON line for each job: { ids?: number[][] } or { error }. A plain Node program: the binding is no dependency of tritune.
 */
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { join } from 'node:path'

const [, , home, jobsFile] = process.argv
const entry = join(home, 'node_modules/node-llama-cpp/dist/index.js')
const { getLlama, LlamaLogLevel } = await import(pathToFileURL(entry).href)
const llama = await getLlama({
  gpu: false,
  build: 'never',
  logLevel: LlamaLogLevel.error,
  progressLogs: false,
})

for (const job of JSON.parse(readFileSync(jobsFile, 'utf8'))) {
  try {
    appendFileSync(`${jobsFile}.answers`, `${JSON.stringify(await run(job))}\n`)
  } catch (error) {
    appendFileSync(
      `${jobsFile}.answers`,
      `${JSON.stringify({ error: error instanceof Error ? error.message : String(error) })}\n`,
    )
  }
}
process.exit(0)

async function run({ model: modelPath, lora, ids, logits, texts }) {
  const model = await llama.loadModel({ modelPath, gpuLayers: 0 })
  const answer = {}
  if (texts !== undefined) answer.ids = texts.map((text) => [...model.tokenize(text, true)])
  if (ids !== undefined) {
    const context = await model.createContext({
      contextSize: Math.max(32, ids.length),
      batchSize: Math.max(32, ids.length),
      flashAttention: false,
      experimentalKvCacheKeyType: 'F32',
      experimentalKvCacheValueType: 'F32',
      threads: 1,
      ...(lora === undefined ? {} : { lora: { adapters: [{ filePath: lora, scale: 1 }] } }),
    })
    const sequence = context.getSequence()
    const evaluated = await sequence.controlledEvaluate(
      ids.map((id) => [id, { generateNext: { logits: true } }]),
    )
    const vocabulary = evaluated[0].next.logits.size
    const values = new Float32Array(ids.length * vocabulary)
    for (const [position, { next }] of evaluated.entries())
      for (const [id, value] of next.logits) values[position * vocabulary + id] = value
    writeFileSync(logits, new Uint8Array(values.buffer))
    await context.dispose()
  }
  await model.dispose()
  return answer
}
