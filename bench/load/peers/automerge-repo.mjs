// automerge-repo's Node server with its store of files: documents are given to whoever asks, and not announced.
import http from 'node:http'
import { setTimeout } from 'node:timers/promises'
import { Repo } from '@automerge/automerge-repo'
import { WebSocketServerAdapter } from '@automerge/automerge-repo-network-websocket'
import { NodeFSStorageAdapter } from '@automerge/automerge-repo-storage-nodefs'
import { WebSocketServer } from 'ws'
import { host, at, folder } from './listen.mjs'

const server = http.createServer()
const adapter = new WebSocketServerAdapter(new WebSocketServer({ server }))
const storage = new NodeFSStorageAdapter(folder)
new Repo({ network: [adapter], storage, peerId: 'server', sharePolicy: async () => false })
// A client that comes before the adapter knows its own name brings the server down.
while (!adapter.peerId) await setTimeout(10)
server.listen(at, host)
