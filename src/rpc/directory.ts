// The door to the control plane: the one place that makes its stub, and what crosses it.
import type { ApiRecord } from '../api-definitions/api-record.ts'

/** API definitions, their documents as JSON. */
export interface ApiSnapshot {
  /** Grows with each change of any of them. */
  readonly version: number
  readonly apis: readonly (Omit<ApiRecord, 'document'> & { readonly document: string })[]
}

export function directoryStub(env: Env) {
  return env.DIRECTORY.getByName('directory')
}

export function toRecords(texts: ApiSnapshot): readonly ApiRecord[] {
  return texts.apis.map((api) => ({ ...api, document: JSON.parse(api.document) as ApiRecord['document'] }))
}
