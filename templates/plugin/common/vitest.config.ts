/**
 * For vitest, which has a `test` of its own: it takes the place of the one of `node:test`. Vitest asks for a default export.
 */
export default {
  resolve: { alias: { 'node:test': 'vitest' } },
  test: { testTimeout: 60_000 },
}
