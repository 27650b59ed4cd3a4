export * from './accumulate.ts'
export * from './rms-norm.ts'
