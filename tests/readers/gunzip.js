// Node's stream, fed in odd pieces.
const fs = require("fs");
const zlib = require("zlib");
fs.createReadStream(process.argv[2], { highWaterMark: 1021 }).pipe(zlib.createGunzip()).pipe(process.stdout);
