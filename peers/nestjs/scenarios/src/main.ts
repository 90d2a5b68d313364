// Wires: environment, application, socket.

import 'reflect-metadata'
import { createApp } from './app.js'
import { settings } from './settings.js'

const { adapter, port, connections } = settings()
const app = await createApp(adapter, connections)
await app.listen(port, '0.0.0.0')
console.log(`${adapter} is listening on ${port}`)
