/**
 * The mutation that makes a run of Weights & Biases, or goes on with one: as its client sends it, without what is not told here.
 */
export const UPSERT = `
mutation UpsertBucket($name: String, $project: String, $entity: String, $displayName: String, $commit: String, $config: JSONString, $host: String, $program: String) {
  upsertBucket(input: {name: $name, modelName: $project, entityName: $entity, displayName: $displayName, commit: $commit, config: $config, host: $host, jobProgram: $program}) {
    bucket { id name displayName historyLineCount project { id name entity { id name } } }
    inserted
  }
}
`
