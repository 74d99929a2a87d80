// The server that comes with y-websocket, as its own program runs it; documents in memory.
import http from 'node:http'
import { createRequire } from 'node:module'
import { WebSocketServer } from 'ws'
import { host, at } from './listen.mjs'

const { setupWSConnection } = createRequire(import.meta.url)('y-websocket/bin/utils')
const server = http.createServer((_, response) => response.end('ok'))
const sockets = new WebSocketServer({ noServer: true })
sockets.on('connection', setupWSConnection)
server.on('upgrade', (request, socket, head) => {
  sockets.handleUpgrade(request, socket, head, ws => sockets.emit('connection', ws, request))
})
server.listen(at, host)
