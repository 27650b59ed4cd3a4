/**
 * Makes example/model: the small Llama that comes with tritune, as a my-model with logits half as large.
 *
 *   node example/make-model.ts      (or bun)
 */
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { argv } from 'node:process'
import { fileURLToPath } from 'node:url'

const FROM = 'node_modules/tritune/quickstart/model'
const TO = 'example/model'

/** Gives the folder. */
export function makeModel(): string {
  cpSync(FROM, TO, { recursive: true, dereference: true })
  const config: unknown = JSON.parse(readFileSync(`${FROM}/config.json`, 'utf8'))
  const own = {
    ...Object(config),
    model_type: 'my-model',
    architectures: ['MyModelForCausalLM'],
    logit_scale: 0.5,
  }
  writeFileSync(`${TO}/config.json`, `${JSON.stringify(own, null, 2)}\n`)
  return TO
}

if (resolve(argv[1] ?? '') === fileURLToPath(import.meta.url)) console.log(makeModel())
