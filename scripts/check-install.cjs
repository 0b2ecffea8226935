// Before `npm start`: says what is missing, where the scripts themselves could only fail with a stack trace. In the syntax
// of old versions of Node, without dependencies. npm puts node_modules/.bin first: the Node of `npm ci` runs this, if any.
'use strict'
var fs = require('fs')
var path = require('path')

var MIN_MAJOR = 24
var root = path.join(__dirname, '..')

/** Prints what to do, and ends. */
function exit(text) {
  console.error(text)
  process.exit(1)
}

if (!fs.existsSync(path.join(root, 'node_modules', 'miniflare'))) {
  exit(
    'There is no node_modules, or only a part of it. Run: npm ci   (Node 20 or later; it brings the Node 24 that the scripts run on)',
  )
}
if (Number(process.versions.node.split('.')[0]) < MIN_MAJOR) {
  exit(
    'The scripts need Node ' +
      MIN_MAJOR +
      ' or later, this is ' +
      process.version +
      '. `npm ci` brings it as node_modules/.bin/node: use `npm start`, and Node 20 or later for `npm ci`.',
  )
}
