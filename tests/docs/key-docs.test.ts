import { expect, test } from 'bun:test'
import { outdatedKeyDocs } from '../../scripts/key-docs.ts'

test('docs/yaml.md, FinetuneInput and DatasetInput say of each key what key-docs.ts says (bun scripts/key-docs.ts --write)', () => {
  expect([...outdatedKeyDocs().keys()]).toEqual([])
})
