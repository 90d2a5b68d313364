// Wires: environment, application, socket.

import 'reflect-metadata'
import { createApp } from './app.js'
import { settings } from './settings.js'

const read = settings()
const app = await createApp(read)
await app.listen(read.port, '0.0.0.0')
console.log(`${read.adapter} is listening on ${read.port}`)
