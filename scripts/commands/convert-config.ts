/**
 * Turns a file of mlx-lm or LLaMA-Factory into the file of a run. Thin: reads arguments, calls plugins/finetune, writes.
 */
import { TrituneError } from '../../core/errors.ts'
import { writeFileAtomic } from '../../core/files/atomic.ts'
import { readTextFile } from '../../core/files/text-file.ts'
import { invocation } from '../../core/invocation.ts'
import { type Command, expectNew } from '../_cli.ts'
import { writeJson } from '../terminal/json-lines.ts'
import { ensureInstalled } from '../_setup.ts'
import { err, out } from '../terminal/streams.ts'

const TOOLS = ['mlx-lm', 'LLaMA-Factory'] as const

const help =
  (): string => `Turn a training file of mlx-lm (lora_config.yaml) or LLaMA-Factory (SFT, DPO, …) into the file of a run.

  ${invocation('convert-config')} <file.yaml> [options]

  --from <tool>          mlx-lm or LLaMA-Factory; default: told by the keys
  --out <file>           write it there instead of printing it; never overwrites
  --dataset-dir <path>   the folder of LLaMA-Factory's dataset_info.json; default: what the file says, else data
  --json                 one JSON object on stdout, with the text and what became of each key
  --help                 this text

Every key is accounted for: carried over, without effect here, or refused with the reason. The exit code is 1 when one was refused.
mlx-lm's folders of train.jsonl and valid.jsonl are read as they are, and so is dataset_info.json.
`

const OPTIONS = {
  from: { type: 'string' },
  out: { type: 'string' },
  'dataset-dir': { type: 'string' },
  json: { type: 'boolean' },
} as const

export const convertConfig: Command<typeof OPTIONS> = {
  help,
  positionals: { min: 1, max: 1, missing: 'name a YAML file' },
  options: OPTIONS,
  choices: { from: TOOLS },
  async run({ positionals: [file], values }) {
    const tool = TOOLS.find((name) => name.toLowerCase() === values.from?.toLowerCase())
    if (values.from !== undefined && tool === undefined)
      throw new TrituneError('E_USAGE', `--from: expected ${TOOLS.join(' or ')}, got "${values.from}"`)
    if (values.out !== undefined) expectNew(values.out, 'file or folder')
    const text = readTextFile(file, {
      what: 'the file',
      remedy: `name a YAML file; paths start at ${process.cwd()}`,
    })
    await ensureInstalled()
    const { convertConfig: convert } = await import('../../plugins/finetune/mod.ts')
    const found = await convert(text, file, {
      ...(tool === undefined ? {} : { tool }),
      ...(values['dataset-dir'] === undefined ? {} : { datasetDir: values['dataset-dir'] }),
    })
    if (values.out !== undefined) writeFileAtomic(values.out, found.text)
    if (values.json) writeJson({ type: 'converted', file, ...found })
    else {
      for (const { key, fate, said } of found.account) err.write(`${fate.padEnd(9)}  ${key}: ${said}\n`)
      out.write(values.out === undefined ? found.text : `${values.out}\n`)
    }
    if (found.account.some(({ fate }) => fate === 'refused')) process.exitCode = 1
  },
}
