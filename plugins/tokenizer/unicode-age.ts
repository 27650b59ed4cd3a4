/**
 * Characters by the version of Unicode that added them. The parts of the Rust tokenizers stand on tables of different
 * ages (normalisation 9, categories 8, regular expressions 16) and the engine's are newer; a character that a table does
 * not have is unassigned there. Ranges may run over unassigned code points: those are in no class anyway.
 */

export type UnicodeVersion = 8 | 9 | 16

const AFTER_8 =
  '8b6-8bd 8d4-8e2 c80 d4f-d56 d58-d5e d76-d78 1c80-1c88 1dfb 23fb-23fe 2e43-2e44 a7ae a8c5 1018d-1018e 104b0-104fb ' +
  '1123e 11400-11459 1145b-1145d 11660-1166c 11c00-11cb6 16fe0 17000-187ec 18800-18af2 1e000-1e02a 1e900-1e94a ' +
  '1e950-1e95f 1f19b-1f1ac 1f23b 1f57a 1f5a4 1f6d1-1f6d2 1f6f4-1f6f6 1f919-1f91e 1f920-1f927 1f930 1f933-1f93e ' +
  '1f940-1f94b 1f950-1f95e 1f985-1f991'

const AFTER_9 =
  '560 588 5ef 61d 7fd-7ff 860-88e 890-89f 8b5 8be-8d3 9fc-9fe a76 afa-aff b55 c04 c3c c5d c77 c84 cdd cf3-d00 d04 ' +
  'd3b-d3c d81 e86 e89 e8c e8e-e93 e98 ea0 ea8-ea9 eac eba ece 170d 1715-171f 180f 1878 1abf-1ace 1b4c-1b4f 1b7d-1b7f ' +
  '1c89-1cbf 1cf7 1cfa 1df6-1dfa 20bf-20c0 23ff 2427-2429 2b97 2bba-2bbc 2bc9 2bd2-2beb 2bf0-2bff 2c2f 2c5f 2e45-2e5d ' +
  '2ffc-2fff 312e-312f 31bb-31bf 31e4-31ef 32ff 4db6-4dbf 9fd6-9fff a7af a7b8-a7cd a7d0-a7d1 a7d3 a7d5-a7dc a7f2-a7f6 ' +
  'a82c a8fe-a8ff ab66-ab6b fbc2 fd40-fd4f fdcf fdfe-fdff 1019c 1032d-1032f 10570-105f3 10780-107ba 10a34-10a35 10a48 ' +
  '10d00-10d8f 10e80-10ec4 10efc-10ff6 11070-11075 110c2-110cd 11144-11147 111ce-111cf 1123f-11241 1133b 11380-113e2 ' +
  '1145a 1145e-11461 116b8-116b9 116d0-116e3 1171a 11740-1183b 11900-11abf 11b00-11b09 11bc0-11bf9 11d00-11da9 ' +
  '11ee0-11fff 12f90-12ff2 1342f-143fa 16100-16139 16a70-16ac9 16d40-16e9a 16f45-16f4f 16f7f-16f87 16fe1-16ff1 ' +
  '187ed-187f7 18af3-18d08 1aff0-1affe 1b002-1b2fb 1cc00-1ccf9 1cd00-1ceb3 1cf00-1cfc3 1d1e9-1d1ea 1d2c0-1d2f3 ' +
  '1d372-1d378 1df00-1df2a 1e030-1e5ff 1e7e0-1e7fe 1e94b 1ec71-1ed3d 1f10d-1f10f 1f12f 1f16c-1f16f 1f1ad 1f260-1f265 ' +
  '1f6d3-1f6d7 1f6dc-1f6df 1f6f7-1f6fc 1f774-1f776 1f77b-1f77f 1f7d5-1f7f0 1f8b0-1f8c1 1f900-1f90f 1f91f 1f928-1f92f ' +
  '1f931-1f932 1f93f 1f94c-1f94f 1f95f-1f97f 1f992-1f9bf 1f9c1-1fa53 1fa60-1fa89 1fa8f-1fac6 1face-1fae9 1faf0-1fbf9 ' +
  '2a6d7-2a6df 2b735-2b739 2ceb0-2ee5d 30000-323af'

const AFTER_16 =
  '88f c5c cdc 1acf-1aeb 20c1 2b96 a7ce-a7cf a7d2 a7d4 a7f1 fbc3-fbd2 fd90-fd91 fdc8-fdce 10940-10959 10ec5-10efb ' +
  '11b60-11b67 11db0-11de9 16ea0-16ed3 16ff2-16ff6 187f8-187ff 18d09-18df2 1ccfa-1ccfc 1ceba-1cef0 1e6c0-1e6ff 1f6d8 ' +
  '1f777-1f77a 1f8d0-1f8d8 1fa54-1fa57 1fa8a-1fa8e 1fac8-1facd 1faea-1faef 1fbfa 2b73a-2b73f 2cea2-2cead 323b0-33479'

const RANGES: { readonly [V in UnicodeVersion]: readonly string[] } = {
  8: [AFTER_8, AFTER_9, AFTER_16],
  9: [AFTER_9, AFTER_16],
  16: [AFTER_16],
}

/** The inside of a character class: what is newer than `version`. */
export function newerThan(version: UnicodeVersion): string {
  const ranges = RANGES[version].join(' ').split(' ')
  return ranges.map((range) => range.replaceAll(/[0-9a-f]+/g, String.raw`\u{$&}`)).join('')
}

const AFTER_16_CLASS = new RegExp(`[${newerThan(16)}]`, 'gu')
const ANY_AFTER_16 = new RegExp(`[${newerThan(16)}]`, 'u')
const ANY_AFTER_9 = new RegExp(`[${newerThan(9)}]`, 'u')
const RUNS_AFTER_9 = new RegExp(`([${newerThan(9)}]+)`, 'u')

/**
 * `text` with every character newer than Unicode 16 replaced by an unassigned one of the same length, so that a pattern
 * finds the places that it finds with tables of Unicode 16.
 */
export function asOfUnicode16(text: string): string {
  if (!ANY_AFTER_16.test(text)) return text
  return text.replaceAll(AFTER_16_CLASS, (c) => (c.length === 1 ? '\u0378' : '\u{E0FF0}'))
}

/** Normalisation with the tables of Unicode 9: newer characters neither decompose nor combine nor move. */
export function normalizeAsOfUnicode9(text: string, form: 'NFC' | 'NFD' | 'NFKC' | 'NFKD'): string {
  if (!ANY_AFTER_9.test(text)) return text.normalize(form)
  return text
    .split(RUNS_AFTER_9)
    .map((part, i) => (i % 2 === 1 ? part : part.normalize(form)))
    .join('')
}
