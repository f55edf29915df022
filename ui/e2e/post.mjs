// A small server that takes mail, as scenes and pictures need one: it speaks
// just enough SMTP, and keeps what came.
import { createServer } from 'node:net'

/** decoded is the text of a part that is written as quoted-printable. */
const decoded = (text) => Buffer.from(text.replace(/=\r?\n/g, '').replace(/=([0-9A-F]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16))), 'latin1').toString('utf8')

/** openPost takes mail on a port of its own: mails are what came, of whom, for whom and the text; close ends it. */
export function openPost() {
  const mails = []
  const sockets = new Set()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => { sockets.delete(socket) }).on('error', () => { socket.destroy() })
    let text = ''
    let mail = { to: [] }
    let body = false
    const say = (line) => socket.write(`${line}\r\n`)
    say('220 post ready')
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      for (;;) {
        if (body) {
          const end = text.indexOf('\r\n.\r\n')
          if (end < 0) return
          mails.push({ ...mail, text: decoded(text.slice(0, end)) })
          text = text.slice(end + 5)
          body = false
          mail = { to: [] }
          say('250 kept')
          continue
        }
        const end = text.indexOf('\r\n')
        if (end < 0) return
        const line = text.slice(0, end)
        text = text.slice(end + 2)
        const verb = line.slice(0, 4).toUpperCase()
        if (verb === 'MAIL') mail.from = /<(.*?)>/.exec(line)?.[1]
        if (verb === 'RCPT') mail.to.push(/<(.*?)>/.exec(line)?.[1])
        if (verb === 'DATA') { body = true; say('354 go on'); continue }
        say(verb === 'QUIT' ? '221 bye' : '250 fine')
        if (verb === 'QUIT') socket.end()
      }
    })
  })
  return new Promise((resolve, reject) => {
    server.on('error', reject).listen(0, '127.0.0.1', () => {
      resolve({ address: `127.0.0.1:${server.address().port}`, mails, close: () => new Promise((done) => { for (const socket of sockets) socket.destroy(); server.close(() => { done() }) }) })
    })
  })
}
