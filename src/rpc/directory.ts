// Contract of the Directory, the object of the control plane: its stub and the form in which API definitions cross it.
import { parseJson } from '../core/json.ts'
import type { ApiRecord } from '../api-definitions/api-record.ts'

/** The API definitions made at run time, their documents as JSON text. */
export interface ApiSnapshot {
  /** Grows with each change of any of them. */
  readonly version: number
  readonly apis: readonly (Omit<ApiRecord, 'document'> & { readonly document: string })[]
}

/** There is one Directory per deployment. */
export function directoryStub(env: Env) {
  return env.DIRECTORY.getByName('directory')
}

/** Parses the documents of a snapshot. */
export function toRecords(texts: ApiSnapshot): readonly ApiRecord[] {
  return texts.apis.map((api) => ({ ...api, document: parseJson(api.document) as ApiRecord['document'] }))
}
