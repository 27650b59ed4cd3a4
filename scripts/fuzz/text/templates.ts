/**
 * `templates`: chat templates and conversations, broken ones and ones that would never end.
 */
import { loadTokenizer } from '../../../plugins/tokenizer/mod.ts'
import { expectAnswer, expectLinear } from '../answer.ts'
import { openScratch, seedText } from '../files.ts'
import type { Fuzzer } from '../fuzzer.ts'
import { mutateJson, mutateText } from '../mutate.ts'
import type { Dice } from '../random.ts'

type Messages = Parameters<ReturnType<typeof loadTokenizer>['renderChat']>[0]

const MESSAGES: unknown = [
  { role: 'system', content: 'Be short.' },
  { role: 'user', content: 'Hi' },
  { role: 'assistant', content: 'Ho' },
]

const ENDLESS: readonly string[] = [
  '{% for i in range(1000000000000) %}x{% endfor %}',
  '{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}x{% endfor %}{% endfor %}{% endfor %}',
  "{{ 'x' * 1000000000000 }}",
  '{% set x = "aa" %}{% for i in range(99999) %}{% set x = x + x %}{{ x }}{% endfor %}',
  '{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}',
  '{{ messages | string * 999999999 }}',
  '{% set ns = namespace(x="aaaaaaaa") %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}',
]

const GROWING: Readonly<Record<string, (n: number) => string>> = {
  text: (n) => 'x'.repeat(n),
  'nested parentheses': (n) => `{{ ${'('.repeat(n)}1${')'.repeat(n)} }}`,
  'open tags': (n) => '{% if true %}'.repeat(n),
  'open expressions': (n) => '{{'.repeat(n),
  additions: (n) => `{{ ${'1 + '.repeat(n)}1 }}`,
  filters: (n) => `{{ 'a'${' | trim'.repeat(n)} }}`,
  comments: (n) => '{# x #}'.repeat(n),
  statements: (n) => '{% set x = 1 %}'.repeat(n),
}

export function templatesFuzzer(): Fuzzer {
  const scratch = openScratch()
  scratch.write('tokenizer.json', seedText('tests/golden/tokenizer/template/tokenizer.json'))
  const seeds = [
    seedText('tests/golden/tokenizer/template/chat_template.jinja'),
    seedText('tests/golden/tokenizer/digits/chat_template.jinja'),
  ]
  const render = (template: string, messages: unknown): void => {
    scratch.write(
      'tokenizer_config.json',
      JSON.stringify({ chat_template: template, bos_token: '<s>', eos_token: '</s>' }),
    )
    loadTokenizer(scratch.folder).renderChat(messages as Messages)
  }
  const messagesOf = (dice: Dice): unknown => (dice.chance(0.5) ? MESSAGES : mutateJson(dice, MESSAGES))
  return {
    run(dice) {
      if (dice.chance(0.01)) {
        const name = dice.pick(Object.keys(GROWING))
        expectLinear(`templates: ${name}`, GROWING[name], (text) => render(text, MESSAGES))
        return
      }
      const template = dice.chance(0.02)
        ? dice.pick(ENDLESS)
        : mutateText(dice, [...seeds, ...ENDLESS.map((text) => text.replaceAll(/9{3,}|0{6,}/g, '3'))])
      // A template may do as much work as its budget of steps allows, whatever its length.
      expectAnswer(`templates ${JSON.stringify(template.slice(0, 2000))}`, 2e5 + template.length, () =>
        render(template, messagesOf(dice)),
      )
    },
  }
}
