/**
 * What llama.cpp computes with BitNet exports of tritune in TQ1_0 and TQ2_0.
 *
 *   bun tests/oracle/bitnet_gguf.ts [folder with node_modules/node-llama-cpp]
 *
 * Writes tests/golden/bitnet/llama-cpp.json: some logits of eight tokens for each type.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { askLlamaCpp, findLlamaCpp } from '../../scripts/oracle/_llama-cpp.ts'
import { GOLDEN, temporaryFolder } from '../_golden.ts'
import { IDS, keptLogits, TYPES, writeBitnetGguf } from './_bitnet_gguf.ts'

using temporary = temporaryFolder()
const home = findLlamaCpp(process.argv[2])
const { files } = await writeBitnetGguf(temporary.path)
const answers = askLlamaCpp(
  home,
  files.map((model) => ({ model, ids: IDS })),
  temporary.path,
)
const lines = answers.map(({ logits, error }, i) => {
  if (logits === null) throw new Error(`${TYPES[i]}: ${error}`)
  return `  "${TYPES[i]}": [${keptLogits(logits)
    .map((value) => value.toPrecision(6))
    .join(', ')}]`
})
writeFileSync(join(GOLDEN, 'bitnet/llama-cpp.json'), `{\n${lines.join(',\n')}\n}\n`)
