/**
 * Our side of `bench data`: `{"file", "type", "processes"}` on stdin → reads, tokenises and packs → `{"seconds", "tokens", "rows", "peak"}`,
 * the last one the high-water mark of the process in bytes.
 */
import { createInterface } from 'node:readline'
import { createBatches, loadDataset } from '../../../plugins/data/mod.ts'
import { finetuneConfig, openTokenizer } from '../../../plugins/finetune/mod.ts'

const [model, length] = process.argv.slice(2)

console.log(JSON.stringify({ ready: true }))
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'quit') break
  const { file, type, processes }: { file: string; type: string; processes: number | null } = JSON.parse(line)
  const config = finetuneConfig.validate({
    base_model: model,
    datasets: [{ path: file, type }],
    chat_template: type === 'chat_template' ? 'chatml' : null,
    tokens: type === 'chat_template' ? ['<|im_start|>', '<|im_end|>'] : [],
    eot_tokens: type === 'chat_template' ? ['<|im_end|>'] : null,
    sequence_len: Number(length),
    dataset_processes: processes,
    learning_rate: 1,
  })
  const started = performance.now()
  using data = await loadDataset(config, openTokenizer(model, config))
  const { windows } = createBatches({
    examples: data.train,
    microBatchSize: 1,
    sequenceLength: config.sequence_len,
    packing: true,
    seed: 1,
  })
  const seconds = (performance.now() - started) / 1000
  const { tokens, trainedTokens } = data.report.train
  console.log(
    JSON.stringify({
      seconds,
      tokens,
      trained: trainedTokens,
      rows: windows.length,
      peak: process.resourceUsage().maxRSS * 1024,
    }),
  )
}
