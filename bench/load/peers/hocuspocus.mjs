// Hocuspocus with one file for each document, stored when it stores: 2 to 10 seconds after an edit (its defaults).
import { existsSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { Server } from '@hocuspocus/server'
import * as Y from 'yjs'
import { host, at, folder } from './listen.mjs'

const file = name => `${folder}/${encodeURIComponent(name)}`

await new Server({
  address: host,
  port: at,
  quiet: true,
  stopOnSignals: true,
  async onLoadDocument ({ documentName, document }) {
    if (existsSync(file(documentName))) Y.applyUpdate(document, readFileSync(file(documentName)))
  },
  async onStoreDocument ({ documentName, document }) {
    await writeFile(file(documentName), Y.encodeStateAsUpdate(document))
  }
}).listen()
