// What the bench asks of a server: `--listen HOST:PORT --data-dir FOLDER`.
const after = name => process.argv[process.argv.indexOf(name) + 1]
const [host, port] = after('--listen').split(':')
export { host }
export const at = Number(port)
export const folder = after('--data-dir')
