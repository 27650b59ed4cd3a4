/**
 * Texts of many languages and scripts mixed with code, numbers, spaces and signs: what tokenizers are compared on. The same for the same number.
 */
import { createRandom } from '../../core/mod.ts'

const PIECES: readonly string[] = [
  'The quick brown fox',
  "it's what you're DON'T",
  'Größe und Straße',
  'naïve café déjà vu',
  'El niño mañana',
  'żółć łódź',
  'Привет мир',
  'Γειά σου Κόσμε',
  'שלום עולם',
  'مرحبا بالعالم',
  'नमस्ते दुनिया',
  'สวัสดีชาวโลก',
  '你好，世界',
  '日本語のテキスト',
  '안녕하세요 세계',
  'Xin chào thế giới',
  'İstanbul ışık',
  'საქართველო',
  'ሰላም ልዑል',
  'வணக்கம்',
  '😀👍🏽',
  '👩‍👩‍👧🇩🇪',
  'def f(x):\n    return x + 1\n',
  'for (let i = 0; i < 10; i++) {}',
  '<div class="a">&nbsp;</div>',
  'SELECT * FROM t WHERE a >= 10;',
  '3.14159',
  '1,234,567',
  '2026-11-29T12:00',
  '½ ² ③',
  '١٢٣',
  '...',
  '!?',
  '—–',
  '“quoted”',
  '(a)[b]{c}',
  '#@$%^&*',
  'https://a.b/c?d=e#f',
  'snake_case CamelCase',
  'aaaaaaaaaaaa',
  'e\u0301',
  'ﬁ',
  '\u00a0',
  '\u3000',
  '\ufeff',
  '\u200b',
]
const GAPS: readonly string[] = ['', ' ', ' ', ' ', '  ', '   ', '\n', '\n\n', '\t', '\r\n', ', ', '. ']

export function mixedTexts(count: number): string[] {
  const random = createRandom(11, 'mixed texts')
  const pick = (all: readonly string[]): string => all[random.int(all.length)]
  return Array.from({ length: count }, () => {
    const parts = Array.from({ length: 1 + random.int(8) }, () => pick(PIECES) + pick(GAPS))
    return (random.int(6) === 0 ? pick(GAPS) : '') + parts.join('')
  })
}
