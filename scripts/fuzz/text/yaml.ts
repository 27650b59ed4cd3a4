/**
 * `yaml`: configurations of a run that were right once.
 */
import { readFinetuneConfig } from '../../../plugins/finetune/mod.ts'
import { expectAnswer, expectLinear } from '../answer.ts'
import { seedText } from '../files.ts'
import type { Fuzzer } from '../fuzzer.ts'
import { mutateText } from '../mutate.ts'

const read = (text: string): unknown => readFinetuneConfig(text, 'fuzz.yaml')

/** Shapes of input that grow, each line of its own. */
const GROWING: Readonly<Record<string, (n: number) => string>> = {
  'unknown keys': (n) => Array.from({ length: n }, (_, i) => `key_${i}: 1\n`).join(''),
  'the same key': (n) => 'lora_r: 8\n'.repeat(n),
  datasets: (n) => `datasets:\n${'  - path: x.jsonl\n    type: alpacka\n'.repeat(n)}`,
  'nested lists': (n) => `a: ${'['.repeat(n)}`,
  'nested mappings': (n) => `a: ${'{a: '.repeat(n)}`,
  anchors: (n) => `a: &a [1]\n${Array.from({ length: n }, (_, i) => `b${i}: *a\n`).join('')}`,
  'a long text': (n) => `base_model: "${'x'.repeat(n)}"\n`,
  comments: (n) => '# x\n'.repeat(n),
  'a list of targets': (n) => `lora_target_modules: [${'q_proj, '.repeat(n)}]\n`,
  'lines without a colon': (n) => 'word\n'.repeat(n),
}

export function yamlFuzzer(): Fuzzer {
  const seeds = [seedText('quickstart/quickstart.yaml'), seedText('scripts/recipes/tiny-llama/recipe.yaml')]
  const blocks = seedText('docs/yaml.md').match(/(?<=```yaml\n)[^`]+/g) ?? []
  return {
    run(dice) {
      if (dice.chance(0.003)) {
        const name = dice.pick(Object.keys(GROWING))
        expectLinear(`yaml: ${name}`, GROWING[name], read)
        return
      }
      const text = mutateText(dice, [...seeds, ...blocks])
      expectAnswer('yaml', text.length, () => read(text))
    },
  }
}
