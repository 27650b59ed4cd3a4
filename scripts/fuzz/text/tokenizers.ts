/**
 * `tokenizers`: broken tokenizer files, and any text through right ones.
 */
import { loadTokenizer } from '../../../plugins/tokenizer/mod.ts'
import { expectAnswer, expectLinear } from '../answer.ts'
import { openScratch, seedJson, seedText } from '../files.ts'
import { Finding, type Fuzzer } from '../fuzzer.ts'
import { mutateJson, mutateText } from '../mutate.ts'
import { ROOT } from '../../native/process.ts'
import type { Dice } from '../random.ts'

const FOLDERS = [
  'tests/golden/tokenizer/digits',
  'tests/golden/tokenizer/template',
  'quickstart/model',
] as const

const GROWING: Readonly<Record<string, (n: number) => string>> = {
  'one word': (n) => 'a'.repeat(n),
  words: (n) => 'whale '.repeat(n),
  spaces: (n) => ' '.repeat(n),
  digits: (n) => '7'.repeat(n),
  newlines: (n) => '\n'.repeat(n),
  emoji: (n) => '🐋'.repeat(n),
  'combining marks': (n) => `e${'\u0301'.repeat(n)}`,
  'special tokens': (n) => '<s>'.repeat(n),
}

function anyText(dice: Dice): string {
  return String.fromCodePoint(
    ...Array.from({ length: dice.int(60) }, () =>
      dice.pick([dice.int(128), dice.int(0x3000), 0xd800 + dice.int(2048), dice.int(0x110000)]),
    ),
  )
}

export function tokenizersFuzzer(): Fuzzer {
  const scratch = openScratch()
  const right = FOLDERS.map((folder) => loadTokenizer(`${ROOT}/${folder}`))
  const seeds = FOLDERS.map((folder) => ({
    tokenizer: seedJson(`${folder}/tokenizer.json`),
    config: seedJson(`${folder}/tokenizer_config.json`),
    text: seedText(`${folder}/tokenizer.json`),
  }))
  return {
    run(dice) {
      if (dice.chance(0.005)) {
        const [name, tokenizer] = [dice.pick(Object.keys(GROWING)), dice.pick(right)]
        expectLinear(`tokenizers: ${name}`, GROWING[name], (text) => tokenizer.decode(tokenizer.encode(text)))
        return
      }
      if (dice.chance(0.3)) {
        const [text, tokenizer] = [anyText(dice), dice.pick(right)]
        expectAnswer(`tokenizers ${JSON.stringify(text)}`, text.length, () => {
          const ids = tokenizer.encode(text)
          if (!ids.every((id) => Number.isInteger(id) && id >= 0 && id < tokenizer.vocabSize))
            throw new Finding(`ids ${ids.join(' ')} of ${JSON.stringify(text)}`)
          tokenizer.decode(ids)
        })
        return
      }
      const seed = dice.pick(seeds)
      const json = dice.chance(0.8)
        ? JSON.stringify(mutateTokenizer(dice, seed.tokenizer))
        : mutateText(dice, [seed.text])
      const config = dice.chance(0.3)
        ? JSON.stringify(mutateJson(dice, seed.config))
        : JSON.stringify(seed.config)
      scratch.write('tokenizer.json', json)
      scratch.write('tokenizer_config.json', config)
      const text = anyText(dice)
      expectAnswer('tokenizers', json.length + config.length, () => {
        const tokenizer = loadTokenizer(scratch.folder)
        tokenizer.decode(tokenizer.encode(text))
      })
    },
  }
}

/** Anything but the vocabulary, which would take all the throws. */
function mutateTokenizer(dice: Dice, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  const keys = Object.keys(value).filter((key) => key !== 'model')
  if (dice.chance(0.2)) return mutateJson(dice, value)
  const key = dice.pick(keys)
  return { ...value, [key]: mutateJson(dice, Reflect.get(value, key)) }
}
