export * from './accumulate.ts'
