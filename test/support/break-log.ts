// Makes the storage of an object's log fail, and mends it, as a full disk would: for tests of what happens then.
import { runInDurableObject } from 'cloudflare:test'

type Stub = DurableObjectStub

/** Every append fails until `mendLog`. */
export async function breakLog(stub: Stub): Promise<void> {
  await runInDurableObject(stub, (_instance, { storage: { sql } }) => {
    const slices = slicesOf(sql)
    for (const id of slices) {
      sql.exec(
        `CREATE TRIGGER broken_${id} BEFORE INSERT ON segments_${id} BEGIN SELECT RAISE(ABORT, 'broken log'); END`,
      )
    }
    // Neither can the next slice be made.
    sql.exec(`CREATE VIEW segments_${Math.max(0, ...slices) + 1} AS SELECT 'broken log' AS problem`)
  })
}

export async function mendLog(stub: Stub): Promise<void> {
  await runInDurableObject(stub, (_instance, { storage: { sql } }) => {
    for (const { name } of namesOf(sql, 'view')) sql.exec(`DROP VIEW ${name}`)
    for (const { name } of namesOf(sql, 'trigger')) sql.exec(`DROP TRIGGER ${name}`)
  })
}

function slicesOf(sql: SqlStorage): readonly number[] {
  return namesOf(sql, 'table').flatMap(({ name }) => (/^segments_\d+$/.test(name) ? [Number(name.slice(9))] : []))
}

function namesOf(sql: SqlStorage, type: string): readonly { readonly name: string }[] {
  return sql.exec<{ name: string }>('SELECT name FROM sqlite_master WHERE type = ?', type).toArray()
}
