/** What runtimes.test.ts starts: reads the data files of a folder and prints their records; with a model, the examples that two threads make. */
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { loadDataset, readRecords } from '../../../plugins/data/mod.ts'
import { finetuneConfig, openTokenizer } from '../../../plugins/finetune/mod.ts'

const [folder, model, lines] = process.argv.slice(2)
const options = { ds_type: null, sample_by: 'line', field: 'text' } as const
const found: Record<string, unknown> = {}
for (const name of readdirSync(folder)
  .filter((file) => /parquet|arrow|csv/.test(file))
  .toSorted()) {
  const records: unknown[] = []
  for await (const { value } of readRecords(join(folder, name), options)) records.push(value)
  found[name] = records
}
if (model !== undefined) {
  const datasets = [{ path: lines, type: 'completion' }]
  const config = finetuneConfig.validate({
    base_model: model,
    datasets,
    learning_rate: 1,
    dataset_processes: 2,
  })
  using data = await loadDataset(config, openTokenizer(model, config))
  const hash = createHash('sha256')
  for (const { ids, labels } of data.train) hash.update(ids).update(labels)
  found['examples'] = hash.digest('hex')
}
console.log(JSON.stringify(found))
